"""From segments to the messages that are published."""
