from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monetization.config.conformance.running import Outcome, read_cases, run_cases


class Command(BaseCommand):
    """Run published cases through the pricing engine and count who agrees.

    Exit status 1 if any case differs without a recorded reason.
    """

    help = "Run published cases (JSON files) through the pricing engine."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path)
        parser.add_argument("--quiet", action="store_true", help="Only the last line.")

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes: list[Outcome] = []
        for path in options["files"]:
            try:
                outcomes.extend(run_cases(read_cases(path)))
            except (OSError, ValueError) as error:
                raise CommandError(f"{path}: {error}") from None
        if not options["quiet"]:
            self._by_kind(outcomes)
        counts = dict.fromkeys(("agree", "differ", "by_design"), 0)
        for outcome in outcomes:
            counts[outcome.verdict] += 1
        self.stdout.write(
            f"agree {counts['agree']}, differ {counts['differ']}, "
            f"by design {counts['by_design']}, of {len(outcomes)}"
        )
        if counts["differ"]:
            raise SystemExit(1)

    def _by_kind(self, outcomes: list[Outcome]) -> None:
        kinds: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            kinds[outcome.kind].append(outcome)
        for kind, rows in sorted(kinds.items()):
            counts = [
                sum(1 for row in rows if row.verdict == verdict)
                for verdict in ("agree", "differ", "by_design")
            ]
            self.stdout.write(
                f"{kind}: agree {counts[0]}, differ {counts[1]}, by design {counts[2]}"
            )
            for row in rows:
                if row.verdict != "agree":
                    words = "different by design" if row.verdict == "by_design" else "differs"
                    self.stdout.write(f"  {row.id} {words}: {row.detail}")
