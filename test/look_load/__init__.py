"""What the page of `sam3-ros look` costs beside a node, and how fast it is in a browser."""
