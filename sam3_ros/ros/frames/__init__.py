"""The way of a frame: received, queued, answered, counted."""
