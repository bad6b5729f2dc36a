"""Receives the node's answers and keeps account of them."""
