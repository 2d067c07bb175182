"""Pages about what was used."""
