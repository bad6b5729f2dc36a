"""Checks that a bundle computes what the original model does: stages, end to end, recorded
cases.
"""
