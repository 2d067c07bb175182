"""Benchmarks of billing."""
