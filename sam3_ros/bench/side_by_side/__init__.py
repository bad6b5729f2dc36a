"""Two bundles are asked the same: what one loses and saves beside the other."""
