"""`sam3-ros bench`: a module for each measurement."""
