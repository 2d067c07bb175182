"""Where we differ on purpose, as rules over cases, each with the decision behind it."""

from collections.abc import Callable, Mapping
from typing import Any

Rule = tuple[str, Callable[[Mapping[str, Any]], bool], str]

RULES: tuple[Rule, ...] = ()


def reason_for(case: Mapping[str, Any]) -> str | None:
    """Return why a case that differs does so on purpose, or None if it should agree."""
    for kind, applies, reason in RULES:
        if case["kind"] == kind and applies(case["input"]):
            return reason
    return None
