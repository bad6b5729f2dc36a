"""The node under test as a process, and what its diagnostics say."""
