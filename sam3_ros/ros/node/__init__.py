"""What holds the node together: pipeline, lifecycle, process."""
