"""`sam3-ros bench`: one module a measurement."""
