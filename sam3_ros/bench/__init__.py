"""Measures speed and memory. The node never imports it."""
