"""Depth images and cameras from files."""
