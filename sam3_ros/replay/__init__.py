"""Replays a bag through the node and evaluates the answers."""
