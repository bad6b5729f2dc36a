"""The replay's end of the node's topics: asks, receives and keeps records."""
