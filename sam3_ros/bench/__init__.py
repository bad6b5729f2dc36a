"""Measures speed and memory; the node never imports it."""
