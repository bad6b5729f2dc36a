"""Holds a replay against golden frames and expectations."""
