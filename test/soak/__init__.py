"""The node for an hour: two cameras at full rate, changing prompts; memory and accounts.

`make soak` runs it.
"""
