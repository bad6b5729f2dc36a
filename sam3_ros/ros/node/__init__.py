"""The parts of a running node: model, pipeline, lifecycle, process."""
