"""What a measurement is held against: arithmetic, bandwidth, memory."""
