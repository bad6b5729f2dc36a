"""Other ways to compute the same answers, timed in turns with the segmenter."""
