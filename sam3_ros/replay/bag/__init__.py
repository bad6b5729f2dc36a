"""Reads bags: messages, stamps and ground truth."""
