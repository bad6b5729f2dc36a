"""The networks of the families, as stages."""
