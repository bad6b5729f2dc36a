"""Chooses for each stage the fastest backend and precision that still answers as fp32 does."""
