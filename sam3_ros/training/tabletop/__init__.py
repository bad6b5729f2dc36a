"""The tabletop world, its small model, and how the shipped bundle is made from them."""
