"""`sam3-ros label`: archives of bags become labels, on one machine or many."""
