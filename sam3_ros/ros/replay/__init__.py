"""Replay of a bag through the node, and what came of it."""
