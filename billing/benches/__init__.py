"""Benchmarks of billing. Each measures its limit and its subject in the same run."""

from argparse import ArgumentParser

from billing.benches.live_usage import live_usage
from billing.benches.month_end import month_end

BENCHES = {"live_usage": live_usage, "month_end": month_end}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--drafts", type=int, nargs="+", default=[200], help="month_end: sizes of the book"
    )
    parser.add_argument(
        "--grid", type=int, default=2_000, help="month_end: invoices behind the grid"
    )
    parser.add_argument(
        "--tryton",
        type=float,
        default=30.0,
        help="month_end: draft invoices/s of Tryton 8.2 on this machine; 30 was measured elsewhere",
    )
