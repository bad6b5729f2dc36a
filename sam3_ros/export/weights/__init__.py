"""Which tensor of a checkpoint fills which parameter: names, strict loading, random weights."""
