"""From a checkpoint to a verified bundle. Beside `training` the only tier that needs PyTorch."""
