"""What launch files use, without loading the node."""
