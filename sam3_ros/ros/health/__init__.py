"""What the node reports about itself: diagnostics and log."""
