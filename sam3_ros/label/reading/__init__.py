"""Reads the images of a source: any range of them, one at a time."""
