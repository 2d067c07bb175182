"""The cells of the invoices grid: what they say, and that they say it as text."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from billing.domain.comparison import Difference
from billing.selectors import Comparison
from billing.web.cells import cells
from billing.web.columns import BY_KEY, Row


def row(**fields: Any) -> Row:
    invoice = {
        "status": "draft", "currency": "EUR", "number": "", "previous": Decimal(100),
        "total_amount": Decimal(80), "change": Decimal(-20), "change_note": "", "sent_at": None,
    }  # fmt: skip
    given = {name: fields.pop(name) for name in list(fields) if name in ("compared", "payment")}
    failures = fields.pop("failures", ())
    shown = SimpleNamespace(**{**invoice, **fields}, get_status_display=lambda: "Draft")
    return Row(shown, given.get("compared", Comparison()), given.get("payment", ""), failures)


def cell(key: str, **fields: Any) -> str:
    (found,) = cells(row(**fields), [BY_KEY[key]], "UTC")
    return str(found)


def failure(waived: bool, text: str) -> Any:
    return SimpleNamespace(detail=text, waive_reason=text, waived_at="now" if waived else None)


@pytest.mark.parametrize(
    ("key", "fields", "html"),
    [
        ("total", {}, '<td class="n">€80.00</td>'),
        ("previous", {"previous": None}, '<td class="n"><span class="muted">–</span></td>'),
        ("change", {}, '<td class="n"><span class="down">−€20.00</span></td>'),
        ("change", {"change": Decimal(3)}, '<td class="n"><span class="up">+€3.00</span></td>'),
        ("change", {"change": Decimal(0)}, '<td class="n"><span class="muted">0</span></td>'),
        ("percent", {}, '<td class="n">-20%</td>'),
        ("percent", {"change": Decimal(5)}, '<td class="n">+5%</td>'),
        ("why", {"previous": None}, '<td class="nowrap"><span class="muted">First</span></td>'),
        ("why", {}, '<td class="nowrap"></td>'),
        ("number", {}, '<td class="nowrap">–</td>'),
        ("assertions", {}, '<td class="nowrap"><span class="muted">Passed</span></td>'),
        ("assertions", {"status": "issued"}, '<td class="nowrap"></td>'),
        ("payment", {}, '<td class="nowrap"></td>'),
    ],
)
def test_a_cell_says(key: str, fields: dict[str, Any], html: str) -> None:
    assert cell(key, **fields) == html


def test_what_people_wrote_is_text_not_markup() -> None:
    assert "&lt;b&gt;" in cell("note", change_note="<b>")
    assert "<b>" not in cell("assertions", failures=[failure(False, '"><b>')])
    waived = cell("assertions", failures=[failure(True, '"><b>')])
    assert ">Waived<" in waived
    assert "<b>" not in waived


def test_the_largest_reason_is_named_and_the_others_are_counted() -> None:
    found = (
        Difference("a", "<i>", Decimal(40), Decimal(10), "usage", (("usage", Decimal(-30)),)),
        Difference("b", "Seats", Decimal(0), Decimal(10), "quantity", (("quantity", Decimal(10)),)),
    )
    shown = cell("why", compared=Comparison(None, found))
    assert 'title="Usage, Seats"' in shown
    assert '<span class="muted">+1</span>' in shown
    assert "<i>" not in shown


def test_an_issued_invoice_that_was_not_mailed_says_so() -> None:
    assert "not sent" in cell("payment", status="issued", payment="unpaid")
    assert "not sent" not in cell("payment", status="issued", payment="unpaid", sent_at="now")
