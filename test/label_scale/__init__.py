"""A harness: labelling on a simulated cluster, with a model that only waits."""
