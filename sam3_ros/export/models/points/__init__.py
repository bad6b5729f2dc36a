"""Networks that outline what a click means: SAM 1's decoder behind small image encoders."""
