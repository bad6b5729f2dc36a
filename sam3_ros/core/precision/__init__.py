"""The precision guard: judges a configuration by recorded answers."""
