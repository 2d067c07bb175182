"""The conformance command: translation only, one verdict per case, never a traceback."""

import json
import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from monetization.config.conformance.comparing import differences
from monetization.config.conformance.running import read_cases, run_cases

VECTORS = os.environ.get("PRICING_VECTORS", "")
CASES = [
    {
        "id": "tiers",
        "kind": "charge.graduated",
        "input": {
            "tiers": [{"up_to": "10", "unit": "2"}, {"up_to": None, "unit": "1", "flat": "5"}],
            "quantity": "12",
        },
        "expected": {"amount": "27"},
    },
    {"id": "odd", "kind": "charge.unheard_of", "input": {}, "expected": {"amount": "1"}},
    {"id": "bare", "kind": "charge.graduated", "input": {}, "expected": {"amount": "1"}},
    {
        "id": "wrong",
        "kind": "charge.per_unit",
        "input": {"unit": "2", "quantity": "3"},
        "expected": {"amount": "7"},
    },
    {
        "id": "cut",
        "kind": "discount.stack",
        "input": {
            "subtotal": "1005",
            "coupons": [{"pct": "10"}],
            "precedence": "percentage_then_fixed",
            "scale": 0,
        },
        "expected": {"discount": "100"},
    },
]


def write(tmp_path: Path, cases: object) -> str:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(cases), encoding="utf-8")
    return str(path)


def test_every_case_gets_a_verdict_with_its_reason(tmp_path: Path) -> None:
    out = StringIO()

    with pytest.raises(SystemExit) as stop:
        call_command("conformance", write(tmp_path, CASES), stdout=out)

    lines = out.getvalue().splitlines()
    assert stop.value.code == 1
    assert lines[-1] == "agree 1, differ 3, by design 1, of 5"
    assert "  odd differs: no translation for this kind" in lines
    assert "  wrong differs: amount: 6 instead of 7" in lines
    assert any(line.startswith("  bare differs: ") for line in lines)
    assert any(line.startswith("  cut different by design: rounded once") for line in lines)


def test_agreement_of_all_ends_well(tmp_path: Path) -> None:
    out = StringIO()

    call_command("conformance", write(tmp_path, {"cases": CASES[:1]}), stdout=out)

    assert out.getvalue().splitlines()[-1] == "agree 1, differ 0, by design 0, of 1"


def test_a_file_without_cases_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cases\.json: must hold a list of cases"):
        call_command("conformance", write(tmp_path, {"a": 1}))


@pytest.mark.parametrize(
    ("name", "wanted", "agrees"),
    [
        ("amount_2dp", "0.13", True),  # 0.125 rounds half away from zero
        ("amount_2dp", "0.12", False),
        ("amount_ceil_2dp", "0.13", True),
        ("amount", "1/8", True),
        ("amount", "0.1250", True),
        ("other", "0.125", False),
    ],
)
def test_expected_amounts_are_compared_at_their_rounding(
    name: str, wanted: str, *, agrees: bool
) -> None:
    assert (not differences({"amount": "0.125"}, {name: wanted})) == agrees


def test_what_nobody_expected_is_said() -> None:
    found = differences({"lines": {"a": 1, "b": 0, "c": 2}}, {"lines": {"a": "1"}})

    assert found == ["lines.c: 2 is not expected"]


@pytest.mark.skipif(not VECTORS, reason="PRICING_VECTORS names no folder of published cases")
def test_the_published_cases_agree() -> None:
    path = Path(VECTORS) / "pricing_vectors.json"

    outcomes = list(run_cases(read_cases(path)))

    assert [outcome for outcome in outcomes if outcome.verdict == "differ"] == []
