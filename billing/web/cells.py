"""The cells of the invoices grid as HTML.

Written here, because a template would ask for each of a thousand cells of which kind it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from billing.models import Invoice
from billing.web.columns import Column, Row
from monetization.interface.templatetags.money import day, moment, money, percent
from monetization.interface.templatetags.ui import badge, sparkline

_NONE = mark_safe('<span class="muted">–</span>')
_ZERO = mark_safe('<span class="muted">0</span>')
_FIRST = mark_safe('<span class="muted">First</span>')
_PASSED = mark_safe('<span class="muted">Passed</span>')
_NOT_SENT = mark_safe(' <span class="muted">not sent</span>')
_EMPTY = mark_safe("")


def cells(row: Row, columns: Sequence[Column], zone: str) -> list[SafeString]:
    """Return the cells of an invoice, each with its ``td``.

    :param zone: the company's, for instants.
    """
    return [_cell(row, column, zone) for column in columns]


def _cell(row: Row, column: Column, zone: str) -> SafeString:
    value = column.value(row)
    write = _KINDS.get(column.kind)
    if write is not None:
        shown = write(row, value)
    elif column.kind == "moment":
        shown = moment(value, zone)
    else:
        shown = value or "–"
    return format_html('<td class="{}">{}</td>', "n" if column.is_number else "nowrap", shown)


def _money(row: Row, value: Any) -> str:
    return _NONE if value is None else money(value, row.invoice.currency)


def _change(row: Row, value: Any) -> str:
    if value is None:
        return _NONE
    if not value:
        return _ZERO
    text = money(value, row.invoice.currency)
    if value > 0:
        return format_html('<span class="up">+{}</span>', text)
    return format_html('<span class="down">{}</span>', text)


def _percent(row: Row, value: Any) -> str:
    if value is None:
        return _NONE
    return f"+{percent(value)}" if value > 0 else percent(value)


def _why(row: Row, value: str) -> str:
    """Write what moved most, how many others did, and all of them where one points."""
    found = row.compared.found
    if value and found:
        others = len(row.compared.by_cause) - 1
        more = format_html(' <span class="muted">+{}</span>', others) if others > 0 else _EMPTY
        return format_html('<span title="{}">{}{}</span>', value, found[0].label, more)
    return _FIRST if row.invoice.previous is None else _EMPTY


def _assertions(row: Row, value: Sequence[str]) -> str:
    if value:
        words = badge("failed", f"{len(value)} failed")
        return format_html('<span title="{}">{}</span>', "; ".join(value), words)
    if row.invoice.status != Invoice.Status.DRAFT:
        return _EMPTY
    if row.failures:
        reason = row.failures[0].waive_reason
        return format_html('<span title="{}">{}</span>', reason, badge("waived", "Waived"))
    return _PASSED


def _payment(row: Row, value: str) -> str:
    if not row.payment:
        return _EMPTY
    return badge(row.payment) + (_EMPTY if row.invoice.sent_at else _NOT_SENT)


_KINDS: dict[str, Callable[[Row, Any], str]] = {
    "money": _money,
    "change": _change,
    "percent": _percent,
    "day": lambda row, value: day(value),
    "status": lambda row, value: badge(row.invoice.status, value),
    "why": _why,
    "trend": lambda row, value: sparkline(value),
    "assertions": _assertions,
    "payment": _payment,
}
