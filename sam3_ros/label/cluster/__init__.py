"""Labels by a Ray cluster."""
