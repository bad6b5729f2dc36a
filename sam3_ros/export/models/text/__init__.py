"""Text encoders: token ids to the features that the detector reads."""
