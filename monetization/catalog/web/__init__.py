"""Pages about what is sold, and for how much."""
