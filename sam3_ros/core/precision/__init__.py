"""The precision guard: hold a configuration against recorded answers."""
