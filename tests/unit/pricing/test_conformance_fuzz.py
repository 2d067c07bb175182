"""Whatever a published case's input becomes, the answer is an amount or a sentence."""

import copy
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from monetization.config.conformance.running import read_cases, run_cases

VECTORS = os.environ.get("PRICING_VECTORS", "")
NUMBER, DATE = re.compile(r"-?\d+(\.\d+)?"), re.compile(r"\d{4}-\d\d-\d\d.*")
NUMBERS = ("0", "1", "-1", "7.25", "0.000000000001", "123456789012345678901234567890")
DAYS = ("2024-02-29", "2023-12-31", "2026-01-31")
# Python's own words: they say that nobody thought of it.
SURPRISES = re.compile(
    r"(Type|Key|Index|Attribute|ZeroDivision|Assertion|Overflow|Recursion|Unbound|Name)Error"
    r"|InvalidOperation|Inexact|StopIteration|no translation|FloatOperation"
)


def _places(given: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    rows = given.items() if isinstance(given, dict) else enumerate(given)
    for name, value in rows:
        yield (*path, name), value
        if isinstance(value, (dict, list)):
            yield from _places(value, (*path, name))


def _instead(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (0, 1, 2, 3, 4, 31, str(value))
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return NUMBERS
    if isinstance(value, str) and DATE.fullmatch(value):
        return tuple(day + value[10:] for day in DAYS)
    if isinstance(value, list):
        return ([], value + value[-1:])
    return ()


def _mutants(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the input with one field changed, null, or gone."""
    for path, value in _places(given):
        for other in (*_instead(value), None, "gone"):
            mutant = copy.deepcopy(given)
            place: Any = mutant
            for name in path[:-1]:
                place = place[name]
            if other == "gone":
                del place[path[-1]]
            else:
                place[path[-1]] = other
            yield mutant


@pytest.mark.skipif(not VECTORS, reason="PRICING_VECTORS names no folder of published cases")
@pytest.mark.parametrize("name", ["pricing_vectors.json", "revrec_vectors.json"])
def test_no_input_surprises_the_translation(name: str) -> None:
    cases = read_cases(Path(VECTORS) / name)
    mutants: list[Mapping[str, Any]] = [
        {**case, "id": f"{case['id']}: {mutant}", "input": mutant}
        for case in cases
        for mutant in _mutants(dict(case["input"]))
    ]

    surprised = [outcome for outcome in run_cases(mutants) if SURPRISES.search(outcome.detail)]

    assert len(mutants) > 30 * len(cases)
    assert surprised == []
