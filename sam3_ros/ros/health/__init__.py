"""What the node tells about itself: diagnostics and log."""
