"""Plays a bag at a pace, by its own player or `ros2 bag play`."""
