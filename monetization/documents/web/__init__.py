"""Stored files, for those who may see them."""
