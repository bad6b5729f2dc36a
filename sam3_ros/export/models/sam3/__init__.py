"""SAM 3 and EfficientSAM3: the detector, which answers words and boxes, and the tracker."""
