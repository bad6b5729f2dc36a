"""A labelling from beginning to end: the folder, what is missing in it, and what is said of it."""
