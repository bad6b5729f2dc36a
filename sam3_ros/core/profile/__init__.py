"""The machine profile that `sam3-ros tune` writes."""
