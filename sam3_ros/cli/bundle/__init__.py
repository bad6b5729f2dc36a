"""`sam3-ros bundle`: what a bundle holds, and whether it is sound."""
