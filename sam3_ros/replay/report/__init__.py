"""The account of a replay, and its video and pictures."""
