"""Following an object by what was seen of it: SAM 3's memory, without the images."""
