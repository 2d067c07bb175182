"""Break the pure core on purpose, one small change at a time, and see whether a test notices.

    python -m tests.mutation                                   all of pricing and allocation
    python -m tests.mutation --sample 60                       as many, drawn evenly
    python -m tests.mutation monetization/pricing/rating.py    every change of one module
    python -m tests.mutation --again OUTPUT                    what lived in an earlier run

A change nobody notices is printed: read it, and write the test or say in ``equivalent.py`` why
it changes nothing. No file is touched and no database is needed. Exit status 1 if 15 % or more
live, those that change nothing among them.
"""

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

from tests.mutation.changes import parsed, sites
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.running import Tests, changed_tree, run

MODULES = (
    "monetization/kernel/money.py",
    "monetization/kernel/period.py",
    *(f"monetization/pricing/{name}.py" for name in (
        "accumulation", "arithmetic", "changes", "credits", "modifiers", "prices", "proration",
        "quantities", "rating", "rating_events", "recurrence", "seats", "timeline", "usage",
    )),
    *(f"monetization/pricing/estimate/{name}.py" for name in (
        "compiled", "computing", "items", "lines", "once", "periods", "progress", "whole",
    )),
)  # fmt: skip
SUITES = (
    "monetization/pricing",
    "monetization/kernel",
    *(f"tests/unit/pricing/test_{name}.py" for name in (
        "conformance", "contract_modifiers", "credits_and_documents", "documented_examples",
        "conformance_rules", "edges", "estimate", "exactness", "parts_of_lines", "price_once",
        "progress", "rhythms_and_zones", "small_print", "whole_deals",
    )),
    *(f"tests/properties/test_{name}.py" for name in (
        "compiled_prices", "contracts", "money", "pricing_documents", "pricing_models",
        "pricing_time", "rating",
    )),
)  # fmt: skip
MOST_ALIVE = 15  # per cent


def main() -> int:
    """Run; exit status 1 if too many of the changes live."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    parser.add_argument("--sample", type=int, help="as many changes, drawn evenly; default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", type=Path, help="output of a run: only what lived in it")
    options = parser.parse_args()
    places = [(name, site.number) for name in options.modules for site in sites(name, parsed(name))]
    if options.again:
        lived = options.again.read_text("utf-8")
        places = [place for place in places if _told(*place) in lived]
    if options.sample is not None and options.sample < len(places):
        draw = random.Random(options.seed)  # noqa: S311 -- which, not whether
        places = sorted(draw.sample(places, options.sample))
    tally = Tally(places)
    failed = run(options.modules, SUITES, tally.work)
    if failed:
        _say("The tests fail without any change; repair them first:", *failed)
        return 2
    return tally.told()


def _told(module: str, number: int) -> str:
    site = sites(module, parsed(module))[number]
    return f"alive: {module}:{site.lines.start}: {site.function}: {site.changed()}"


class Tally:
    """Which changes lived, module by module."""

    def __init__(self, places: list[tuple[str, int]]) -> None:
        self.places = places
        self.made: Counter[str] = Counter()
        self.alive: Counter[str] = Counter()
        self.equivalent = 0

    def work(self, tests: Tests) -> None:
        took = sum(tests.seconds.values())
        _say(f"{len(tests.seconds)} tests, {took:.0f} s of one core; {len(self.places)} changes")
        for module, number in self.places:
            site = sites(module, parsed(module))[number]
            tree, said = changed_tree(module, number)
            self.made[module] += 1
            if not tests.notice(site, tree):
                self._lives(
                    tests, module, site.function, site.lines.start, said, bool(tests.of(site))
                )
            if sum(self.made.values()) % 50 == 0:
                _say(f"{sum(self.made.values())} of {len(self.places)}, {self.alive.total()} alive")

    def _lives(
        self, tests: Tests, module: str, function: str, line: int, said: str, is_run: bool
    ) -> None:
        self.alive[module] += 1
        why = EQUIVALENT.get((module.removeprefix("monetization/"), function, said))
        if why:
            self.equivalent += 1
        note = f"changes nothing: {why}" if why else "" if is_run else "no test runs it"
        _say(f"alive: {module}:{line}: {function}: {said}" + (f"  [{note}]" if note else ""))

    def told(self) -> int:
        """Print how many lived of each module and of all, as the last lines."""
        for module, made in self.made.items():
            _say(f"{module}: {self.alive[module]} of {made} alive")
        made, alive = self.made.total(), self.alive.total()
        share = f"{100 * alive / made:.1f} %" if made else "none made"
        _say(
            f"{alive} of {made} changes alive ({share}), "
            f"{self.equivalent} of them known to change nothing"
        )
        return int(alive * 100 >= made * MOST_ALIVE)


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
