"""What holds of every calculation, whatever a test is about; for a ``conftest.py``."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
import pytest

from billing.selectors import LineView
from billing.selectors.comparing import _stored_lines
from billing.services import assertions, calculation


@pytest.fixture(autouse=True)
def tested_as_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are tested as they were computed are those that are stored, field by field."""

    def check(*args: Any, in_hand: Mapping[UUID, Sequence[LineView]], **kwargs: Any) -> None:
        stored = _stored_lines(in_hand)
        for invoice_id, lines in in_hand.items():
            assert list(map(_as_read, lines)) == list(map(_as_read, stored[invoice_id]))
        assertions.check(*args, in_hand=in_hand, **kwargs)

    monkeypatch.setattr(calculation, "check", check)


def _as_read(line: LineView) -> LineView:
    """Return a line with its explanation as it comes out of the database."""
    text = line.explanation
    written = orjson.dumps(text).decode() if isinstance(text, dict) else text
    return line._replace(explanation=orjson.loads(written))
