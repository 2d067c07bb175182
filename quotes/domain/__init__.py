"""Decisions of quotes. Pure: no database, no clock, no framework."""
