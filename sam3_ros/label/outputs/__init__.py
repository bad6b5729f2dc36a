"""What comes out of a labelling: files that other programs read."""
