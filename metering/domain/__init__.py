"""Decisions of metering. Pure: no database, no clock, no framework."""
