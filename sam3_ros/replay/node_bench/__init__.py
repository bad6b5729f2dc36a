"""Measures the node as a process: latency, CPU time and memory."""
