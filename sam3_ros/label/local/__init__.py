"""Labels by processes of this machine."""
