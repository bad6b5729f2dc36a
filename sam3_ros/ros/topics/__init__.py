"""What `ros2 topic` does, for machines without it."""
