"""Serves the page: who may see it, what may come in, pictures as fast as each viewer takes them."""
