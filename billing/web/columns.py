"""The grid's columns: what they are called, what they hold, how they read and export."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.domain.comparison import LABELS
from billing.models import Invoice
from billing.selectors import Comparison


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice of the grid with everything a cell may show."""

    invoice: Any  # an Invoice annotated with previous and change
    compared: Comparison
    payment: str  # what is to be said about its payment; empty before it is issued
    failures: Sequence[Any] = ()  # AssertionFailure


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``kind`` says how a cell reads."""

    key: str
    label: str
    kind: str  # text, day, money, change, percent, status, why, trend, assertions, payment
    value: Callable[[Row], Any]
    sort: str = ""  # a key of the selectors' orders

    @property
    def is_number(self) -> bool:
        return self.kind in ("money", "change", "percent")


def _percent(row: Row) -> Decimal | None:
    before = row.invoice.previous
    if not before:
        return None
    return (row.invoice.change * 100 / abs(before)).quantize(Decimal("0.1"))


def _why(row: Row) -> str:
    if row.invoice.previous is None or not row.compared.found:
        return ""
    return ", ".join(LABELS[cause] for cause in row.compared.by_cause)


def _unexplained(row: Row) -> Decimal | None:
    if row.invoice.status != Invoice.Status.DRAFT or not row.compared.found:
        return None
    return row.compared.unexplained(row.invoice.change_note) or None


def _failing(row: Row) -> list[str]:
    if row.invoice.status != Invoice.Status.DRAFT:
        return []
    return [failure.detail for failure in row.failures if failure.waived_at is None]


def _moved_by(cause: str) -> Callable[[Row], Decimal | None]:
    def value(row: Row) -> Decimal | None:
        return row.compared.by_cause.get(cause)

    return value


def _payment(row: Row) -> str:
    return row.payment.replace("_", " ").capitalize()


COLUMNS: tuple[Column, ...] = (
    Column("number", "Invoice", "text", lambda row: row.invoice.number, "number"),
    Column("status", "Status", "status", lambda row: row.invoice.get_status_display()),
    Column("bill_on", "Bill on", "day", lambda row: row.invoice.bill_on, "bill_on"),
    Column("entity", "Entity", "text", lambda row: row.invoice.legal_entity.name),
    Column("currency", "Currency", "text", lambda row: row.invoice.currency),
    Column("subtotal", "Subtotal", "money", lambda row: row.invoice.subtotal_amount),
    Column("tax", "Tax", "money", lambda row: row.invoice.tax_amount),
    Column("total", "This", "money", lambda row: row.invoice.total_amount, "total"),
    Column("previous", "Last", "money", lambda row: row.invoice.previous),
    Column("change", "Change", "change",
           lambda row: None if row.invoice.previous is None else row.invoice.change,
           "change"),
    Column("percent", "Change %", "percent", _percent),
    Column("why", "Why", "why", _why),
    *(
        Column(f"by_{cause}", label, "change", _moved_by(cause))
        for cause, label in LABELS.items()
    ),
    Column("unexplained", "Unexplained", "money", _unexplained, "unexplained"),
    Column("trend", "13 months", "trend", lambda row: row.compared.trend),
    Column("assertions", "Assertions", "assertions", _failing, "failing"),
    Column("note", "Note", "text", lambda row: row.invoice.change_note),
    Column("purchase_order", "Purchase order", "text", lambda row: row.invoice.purchase_order),
    Column("issued_on", "Issued on", "day", lambda row: row.invoice.issued_on),
    Column("due_on", "Due on", "day", lambda row: row.invoice.due_on, "due_on"),
    Column("sent", "Sent", "moment", lambda row: row.invoice.sent_at),
    Column("paid", "Paid", "money", lambda row: row.invoice.paid_amount),
    Column("credited", "Credited", "money", lambda row: row.invoice.credited_amount),
    Column("payment", "Payment", "payment", _payment),
)  # fmt: skip
BY_KEY = {column.key: column for column in COLUMNS}
DEFAULTS = tuple(
    BY_KEY[key]
    for key in (
        "number", "status", "bill_on", "total", "previous", "change", "why", "unexplained",
        "trend", "assertions", "payment",
    )
)  # fmt: skip


def chosen(text: str) -> tuple[Column, ...]:
    """Read an address's columns, ``number,total,by_usage``; the usual ones if there are none."""
    names = set(text.split(","))
    return tuple(column for column in COLUMNS if column.key in names) or DEFAULTS


def needs_lines(columns: Sequence[Column]) -> bool:
    """Say whether any column is computed from the invoices' lines."""
    return any(
        column.kind in ("why", "trend") or column.key.startswith(("by_", "unexplained"))
        for column in columns
    )


def exported(row: Row, columns: Sequence[Column]) -> list[Any]:
    """Return a row as a spreadsheet takes it: numbers and dates stay what they are."""
    values: list[Any] = [row.invoice.customer.name]
    for column in columns:
        value = column.value(row)
        if column.kind == "assertions":
            value = "; ".join(value)
        values.append(value)
    return values


def header(columns: Sequence[Column]) -> list[str]:
    return ["Customer", *(column.label for column in columns)]


def exportable(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Leave out what is drawn; a file that has amounts says in which currency."""
    kept = [column for column in columns if column.kind != "trend"]
    has_amounts = any(column.kind in ("money", "change") for column in kept)
    if has_amounts and BY_KEY["currency"] not in kept:
        kept = [column for column in COLUMNS if column in kept or column.key == "currency"]
    return tuple(kept)


def payment_of(invoice: Invoice, today: Any) -> str:
    """Return what is to be said about an issued invoice's payment."""
    if invoice.status != Invoice.Status.ISSUED:
        return ""
    is_late = invoice.due_on is not None and invoice.due_on < today
    settled = (Invoice.PaymentStatus.PAID, Invoice.PaymentStatus.UNCOLLECTIBLE)
    return (
        str(invoice.payment_status)
        if invoice.payment_status in settled or not is_late
        else ("overdue")
    )
