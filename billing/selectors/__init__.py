"""Read what is owed: the grid, invoices beside those before them, schedules, receivables."""

from billing.selectors.comparing import (
    Comparison,
    LineView,
    Tested,
    as_printed,
    compare,
    to_be_tested,
)
from billing.selectors.grid import (
    SORTS,
    CurrencyTotal,
    GroupTotal,
    InvoiceFilter,
    currencies_billed,
    first_ids,
    group_keys,
    group_totals,
    in_order,
    invoices,
    months_with_invoices,
    order_of,
    shown,
    stretch,
    totals,
)
from billing.selectors.receivables import Aging, aging, open_amount_sql, overdue
from billing.selectors.schedules import charge_period, upcoming_lines
from billing.selectors.statements import Statement, currencies_of, statement

__all__ = [
    "SORTS",
    "Aging",
    "Comparison",
    "CurrencyTotal",
    "GroupTotal",
    "InvoiceFilter",
    "LineView",
    "Statement",
    "Tested",
    "aging",
    "as_printed",
    "charge_period",
    "compare",
    "currencies_billed",
    "currencies_of",
    "first_ids",
    "group_keys",
    "group_totals",
    "in_order",
    "invoices",
    "months_with_invoices",
    "open_amount_sql",
    "order_of",
    "overdue",
    "shown",
    "statement",
    "stretch",
    "to_be_tested",
    "totals",
    "upcoming_lines",
]
