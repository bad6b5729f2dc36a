"""Prompts: from messages to what is asked of each frame."""
