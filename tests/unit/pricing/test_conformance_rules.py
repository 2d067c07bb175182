"""Made-up cases of the published kinds: the command must say what a loop over them says."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from monetization.config.conformance.running import run_cases
from tests.unit.pricing.made_up import charges, documents, further, timing, usage
from tests.unit.pricing.made_up.drawing import MAKERS

EACH = 120
MODULES = (charges, documents, further, timing, usage)  # they fill MAKERS


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_case_of_the_kind_comes_to_what_a_loop_says(kind: str) -> None:
    draw = random.Random(kind)  # noqa: S311 -- the same cases in every run
    cases: list[Mapping[str, Any]] = []
    for number in range(EACH):
        given, expected = MAKERS[kind](draw)
        cases.append({"id": f"{kind}-{number}", "kind": kind, "input": given, "expected": expected})

    said = [
        (outcome.detail, case["input"])
        for outcome, case in zip(run_cases(cases), cases, strict=True)
        if outcome.verdict != "agree"
    ]

    assert said == []
