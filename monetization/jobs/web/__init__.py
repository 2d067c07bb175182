"""Pages about long work."""
