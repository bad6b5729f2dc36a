"""`sam3-ros segment`: picture files in, masks and pictures of them out."""
