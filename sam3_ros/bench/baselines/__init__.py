"""Other ways to get the same answers, timed in turns."""
