"""Camera to mask over DDS: a node of its own, a camera, a receiver, and where the time goes."""
