"""The page's source without ROS: a photo, a folder, a video, a webcam or a bag, by the library."""
