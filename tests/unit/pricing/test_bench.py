"""The bench command: what is measured agrees to the cent, and every figure has every field."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from monetization.config.benches import BENCHES, byhand
from monetization.config.management.commands.bench import FIELDS


def test_every_figure_has_every_field() -> None:
    out = StringIO()

    call_command("bench", "rating", "--json", "--rounds", "1", "--lines", "60", stdout=out)

    figures = [json.loads(line) for line in out.getvalue().splitlines()]
    assert all(set(FIELDS) <= set(figure) for figure in figures)
    assert all(figure["ratio"] > 0 and figure["n"] == 60 for figure in figures)
    assert "rating: mix of models" in [figure["name"] for figure in figures]


def test_a_person_reads_a_sentence() -> None:
    out = StringIO()

    call_command("bench", "rating", "--rounds", "1", "--lines", "12", stdout=out)

    assert "lines/s" in out.getvalue().splitlines()[0]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"name: must be one of .*rating"):
        call_command("bench", "raiting")


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_rounds_are_counted(value: str) -> None:
    with pytest.raises(CommandError, match=r"--rounds"):
        call_command("bench", "rating", "--rounds", value)


def test_a_limit_that_prices_otherwise_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byhand, "ONE", byhand.ONE * 2)
    monkeypatch.setattr(byhand, "CENT", byhand.ONE)

    with pytest.raises(RuntimeError, match="disagree"):
        list(BENCHES["rating"]({"lines": 12, "rounds": 1}))
