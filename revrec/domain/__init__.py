"""Decisions of revrec. Pure: no database, no clock, no framework."""
