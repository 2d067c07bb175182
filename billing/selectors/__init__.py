"""Read what is owed: the grid, invoices beside those before them, schedules, receivables."""

from billing.selectors.comparing import Comparison, compare, facts_of
from billing.selectors.grid import (
    SORTS,
    CurrencyTotal,
    GroupTotal,
    InvoiceFilter,
    group_totals,
    invoices,
    months_with_invoices,
    totals,
)
from billing.selectors.receivables import Aging, aging, open_amount_sql, overdue
from billing.selectors.schedules import charge_period, upcoming_lines

__all__ = [
    "SORTS",
    "Aging",
    "Comparison",
    "CurrencyTotal",
    "GroupTotal",
    "InvoiceFilter",
    "aging",
    "charge_period",
    "compare",
    "facts_of",
    "group_totals",
    "invoices",
    "months_with_invoices",
    "open_amount_sql",
    "overdue",
    "totals",
    "upcoming_lines",
]
