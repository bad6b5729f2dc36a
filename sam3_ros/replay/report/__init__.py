"""Table, video and pictures of a replay."""
