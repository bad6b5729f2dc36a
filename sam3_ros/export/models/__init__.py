"""The PyTorch definitions, cut into the stages that become ONNX files."""
