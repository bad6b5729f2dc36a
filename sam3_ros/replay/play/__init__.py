"""Plays a bag at a pace, by this process or by `ros2 bag play`."""
