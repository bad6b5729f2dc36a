"""Depth images of a camera: which belongs to which image, and what could not be used."""
