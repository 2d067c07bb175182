"""Run cases and say how many agree, per kind."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monetization.config.conformance import (  # noqa: F401 -- importing registers the adapters
    charges,
    money,
    revenue,
    timing,
    usage,
)
from monetization.config.conformance.by_design import reason_for
from monetization.config.conformance.comparing import differences
from monetization.config.conformance.registry import ADAPTERS, UnknownShape, without_nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    id: str
    kind: str
    verdict: str  # agree, differ, by_design
    detail: str = ""


def read_cases(path: Path) -> list[Mapping[str, Any]]:
    """Read the cases of a file: a list, or an object that holds one.

    :raises ValueError: if the file is neither.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, Mapping):
        data = next((value for value in data.values() if isinstance(value, list)), None)
    if not isinstance(data, list) or not all(isinstance(case, Mapping) for case in data):
        raise ValueError(f"{path}: must hold a list of cases")
    return data


def run_cases(cases: list[Mapping[str, Any]]) -> Iterator[Outcome]:
    """Run every case through the engine; whatever goes wrong with one stays with it."""
    for case in cases:
        kind, id = str(case.get("kind")), str(case.get("id"))
        if kind not in ADAPTERS:
            yield Outcome(id, kind, "differ", "no translation for this kind")
            continue
        try:
            actual = ADAPTERS[kind](without_nothing(case["input"]))
            found = differences(actual, case["expected"])
        except UnknownShape as error:
            yield Outcome(id, kind, "differ", f"the input has another shape: {error}")
        except KeyError as error:
            yield Outcome(id, kind, "differ", f"the input has another shape: no {error.args[0]}")
        except Exception as error:  # one bad case must not end the run
            yield Outcome(id, kind, "differ", f"{type(error).__name__}: {error}")
        else:
            reason = reason_for(case) if found else None
            if not found:
                yield Outcome(id, kind, "agree")
            elif reason:
                yield Outcome(id, kind, "by_design", f"{reason} ({'; '.join(found)})")
            else:
                yield Outcome(id, kind, "differ", "; ".join(found))
