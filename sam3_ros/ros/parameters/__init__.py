"""The node's parameters: declared, checked, turned into one configuration."""
