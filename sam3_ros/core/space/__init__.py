"""From masks and a depth image to things in space: arrays in, arrays out."""
