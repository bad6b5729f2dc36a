"""`sam3-ros ask`: questions to a running node, for machines without the ros2 command."""
