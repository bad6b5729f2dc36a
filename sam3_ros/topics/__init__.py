"""`sam3-ros topic`: look at topics without a ROS install."""
