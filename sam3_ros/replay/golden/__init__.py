"""Compares a replay with golden frames and limits."""
