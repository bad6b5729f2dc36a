"""The core: bundles, sessions and the segmenter. Knows neither ROS nor torch."""
