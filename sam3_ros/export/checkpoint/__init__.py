"""Checkpoint files: read without running what is in them, looked into, made smaller, written."""
