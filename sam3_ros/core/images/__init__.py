"""Encoded pictures to arrays: what they are, whether they are whole, their pixels."""
