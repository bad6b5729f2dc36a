"""Text encoders: from token ids to the features that the detector reads."""
