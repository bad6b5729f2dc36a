"""Answers: an image and prompts in, segments out."""
