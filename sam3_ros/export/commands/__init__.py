"""What `sam3-ros export`, `inspect`, `slim` and `bench --against torch` do."""
