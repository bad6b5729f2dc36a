"""`sam3-ros verify`: whether a bundle computes what the model, or another bundle, computes."""
