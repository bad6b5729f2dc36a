"""Checkpoint files: formats, and reading them without running what is in them."""
