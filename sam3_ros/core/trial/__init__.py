"""The first run of a bundle that did not come with sam3_ros, in a process of its own."""
