"""What launch files use; it never loads the node."""
