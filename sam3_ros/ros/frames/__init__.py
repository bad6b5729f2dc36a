"""The path of a frame: received, queued, answered, counted."""
