"""The lifecycle node and what it is made of. Imports rclpy, as `replay` and `topics` do too."""
