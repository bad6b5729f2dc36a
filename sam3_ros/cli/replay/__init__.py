"""`sam3-ros replay`: plays a recording through the node and judges the answers."""
