"""Benchmarks of metering. Each measures its limit and its subject in the same run."""

from metering.benches.ingest import ingest

BENCHES = {"ingest": ingest}
