"""Benchmarks of metering. Each measures its limit and its subject in the same run."""

from argparse import ArgumentParser

from metering.benches.ingest import ingest
from metering.benches.soak import soak

BENCHES = {"ingest": ingest, "soak": soak}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--batches", default="100,500,1000", help="ingest: events per request, with commas"
    )
    parser.add_argument(
        "--duplicates", default="0,5,100", help="ingest: per cent sent before, with commas"
    )
    parser.add_argument(
        "--ids",
        choices=("time", "random"),
        default="time",
        help="ingest: of events, UUIDs of version 7 or of version 4",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="soak: how long")
