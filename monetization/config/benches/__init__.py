"""Benchmarks of the pure core. Each measures its limit and its subject in the same run."""

from argparse import ArgumentParser

from monetization.config.benches.rating import rating

BENCHES = {"rating": rating}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=20_000, help="rating: lines per measurement")
