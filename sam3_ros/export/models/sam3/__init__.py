"""SAM 3 and EfficientSAM3: the detector, which takes text and boxes, and the tracker."""
