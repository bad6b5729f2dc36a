"""Objects that keep their identity from image to image."""
