"""A bundle on disk: read, check and write it."""
