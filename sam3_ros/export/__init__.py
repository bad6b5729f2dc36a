"""From a checkpoint to a verified bundle. The only tier beside `training` that needs PyTorch."""
