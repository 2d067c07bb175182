"""``manage.py bench NAME``: measure a subject against its limit, both in the same run.

An app's benchmarks live in its ``benches`` module: ``BENCHES`` names the functions, each of
which takes the command's options and yields one dictionary per figure. Options of its own are
added by the module's ``add_arguments(parser)``, if it has one.
"""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

Figure = dict[str, Any]
Bench = Callable[[dict[str, Any]], Iterator[Figure]]
FIELDS = ("name", "value", "unit", "limit", "ratio", "n", "min", "max")


def modules() -> Iterator[ModuleType]:
    """Yield the ``benches`` module of every app that has one."""
    for config in apps.get_app_configs():
        name = f"{config.name}.benches"
        if find_spec(name) is not None:
            yield import_module(name)


class Command(BaseCommand):
    help = (
        "Measure a subject against its limit. Most write: use a scratch database. Compare the"
        " ratios of one run, not the seconds of two."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="which one; an unknown name lists them")
        parser.add_argument("--json", action="store_true", help="one object per line")
        parser.add_argument("--rounds", type=_count, default=3, help="medians are of so many")
        parser.add_argument("--events", type=_count, default=60_000, help="per measurement")
        parser.add_argument("--rows", type=_amount, default=0, help="rows there before it begins")
        parser.add_argument("--workers", type=_count, default=2, help="processes")
        for module in modules():
            if hasattr(module, "add_arguments"):
                module.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        known: dict[str, Bench] = {}
        for module in modules():
            known |= getattr(module, "BENCHES", {})
        if options["name"] not in known:
            raise CommandError(f"name: must be one of {', '.join(sorted(known))}")
        for figure in known[options["name"]](options):
            self.stdout.write(_line(figure) if options["json"] else _sentence(figure))
            self.stdout.flush()


def _line(figure: Figure) -> str:
    """Write a figure with every field, whether it has it or not, and what else it says."""
    return json.dumps(dict.fromkeys(FIELDS) | figure)


def _sentence(figure: Figure) -> str:
    text = f"{figure['name']:<56} {figure['value']:>14,} {figure['unit']:<12}"
    if figure.get("ratio") is not None:
        text += f" {figure['ratio']:7.3f} of {figure['limit']:,}"
    return text.rstrip()


def _count(text: str) -> int:
    number = _amount(text)
    if not number:
        raise ValueError
    return number


def _amount(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number
