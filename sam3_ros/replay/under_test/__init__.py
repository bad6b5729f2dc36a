"""The node under test, as a child process and as its diagnostics describe it."""
