"""`sam3-ros label`: archives of bags in, labels out."""
