"""The ROS tier: the lifecycle node and what it is made of. The only tier that imports rclpy."""
