"""Checks that a bundle computes what the original model does."""
