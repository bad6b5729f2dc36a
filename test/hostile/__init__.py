"""Thousands of hostile inputs, seeded, against the running node and against files and bundles.

`make fuzz` runs it.
"""
