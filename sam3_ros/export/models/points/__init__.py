"""Networks that segment what a click points at: SAM 1's decoder behind small image encoders."""
