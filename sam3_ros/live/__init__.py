"""The node on one's own camera, webcam or video, without a ROS install."""
