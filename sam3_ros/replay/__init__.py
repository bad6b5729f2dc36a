"""Plays a bag through the node and judges the answers."""
