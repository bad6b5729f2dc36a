"""Is a bundle's every number the original model's? Stage by stage, end to end, and by reference."""
