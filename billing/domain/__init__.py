"""Decisions of billing. Pure: no database, no clock, no framework."""
