"""What a replay asks and when, and with which settings."""
