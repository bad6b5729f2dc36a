"""Reads bags."""
