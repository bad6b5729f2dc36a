"""Checkpoints and bundles from the Hugging Face hub, and bundles to it."""
