"""Pictures of answers: label image and overlay."""
