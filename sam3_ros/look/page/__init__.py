"""The page: its controls, and what a viewer does with them."""
