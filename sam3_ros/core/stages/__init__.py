"""From canonical names to tensors: sessions, their plan, their order and what they compute."""
