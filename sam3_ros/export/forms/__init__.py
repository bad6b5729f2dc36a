"""Checkpoints whose names or layout are not the original's: names in, the original's names out."""
