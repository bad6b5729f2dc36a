"""Fills networks: strictly from a checkpoint, or with random weights."""
