"""What a replay asks, and when."""
