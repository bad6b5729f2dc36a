"""`sam3-ros topic`: inspects topics without a ROS installation."""
