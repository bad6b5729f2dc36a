"""Stage `image_trunk`: from pixels to the features that the necks of SAM 3 take."""
