"""The invoices grid's filters as they stand in the address."""

from datetime import date
from typing import Any
from uuid import UUID

from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from billing.models import Invoice
from billing.selectors import SORTS, InvoiceFilter, currencies_billed, invoices
from monetization.interface import fields
from monetization.interface.models import SavedView
from monetization.kernel.errors import Refusal
from monetization.kernel.period import add_months
from monetization.tenancy.models import LegalEntity, tenant_today
from monetization.users.permissions import TenantRequest

PAGE = "invoices"
NAMES = (
    "q", "month", "status", "payment", "delivery", "currency", "entity", "customer", "changed",
    "flagged", "assertions", "sort", "group", "cols",
)  # fmt: skip
ASSERTIONS = (("failed", "Failed"), ("waived", "Waived"), ("passed", "Passed"))
GROUPS = (("customer", "Customer"), ("entity", "Entity"))
PAYMENTS = (
    ("unpaid", "Unpaid"),
    ("partially_paid", "Partially paid"),
    ("paid", "Paid"),
    ("overdue", "Overdue"),
    ("uncollectible", "Written off"),
)


class SelectionInvalid(Refusal):
    """What was ticked is not what can be acted on."""


def read_filter(query: QueryDict, today: date) -> InvoiceFilter:
    """Read the filters; what makes no sense filters nothing."""
    sort = query.get("sort", "customer")
    return InvoiceFilter(
        search=query.get("q", "").replace("\x00", "").strip()[:100],
        month=read_month(query.get("month", ""), today),
        status=_one_of(query.get("status", ""), Invoice.Status.values),
        payment=_one_of(query.get("payment", ""), [name for name, _ in PAYMENTS]),
        delivery=_one_of(query.get("delivery", ""), ["sent", "unsent"]),
        currency=query.get("currency", "").replace("\x00", "")[:3],
        entity=query.get("entity", "").replace("\x00", "")[:12],
        customer_id=read_uuid(query.get("customer", "")),
        changed=_one_of(query.get("changed", ""), ["up", "down", "same"]),
        flagged=query.get("flagged") == "1",
        assertions=_one_of(query.get("assertions", ""), [name for name, _ in ASSERTIONS]),
        sort=sort if sort in SORTS else "customer",
    )


def read_group(query: QueryDict) -> str:
    """Return what the grid is grouped by, or nothing."""
    return _one_of(query.get("group", ""), [name for name, _ in GROUPS])


def read_month(text: str, today: date) -> date | None:
    """Read ``current``, ``last`` or ``2026-10`` as the first day of a month."""
    this = today.replace(day=1)
    if text == "current":
        return this
    if text == "last":
        return add_months(this, -1, anchor_day=1)
    try:
        return fields.read_month(text)
    except ValidationError:
        return None


def _one_of(text: str, allowed: list[str]) -> str:
    return text if text in allowed else ""


def read_uuid(text: str) -> UUID | None:
    """Read an id of the address; nothing if it is none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def query_of(data: QueryDict) -> str:
    """Return only the filters of a query string, in one order, so that views compare."""
    kept = QueryDict(mutable=True)
    for name in NAMES:
        if data.get(name):
            kept[name] = str(data[name])
    return kept.urlencode()


def with_value(query: str, name: str, value: str) -> str:
    """Return a query string with one filter changed; an empty value takes it away."""
    data = QueryDict(query, mutable=True)
    data[name] = value
    return query_of(data)


def chosen_invoices(request: TenantRequest) -> Any:
    """Return the invoices ticked, or every one of the view, as the grid has them.

    ``id_list`` holds many in one field, with commas between: a form has few fields, not 20,000.

    :raises SelectionInvalid: if something ticked is no invoice.
    """
    today = tenant_today()
    if request.POST.get("scope") == "view":
        query = QueryDict(request.POST.get("query", "")[:2000])
        return invoices(read_filter(query, today), today=today)
    texts = [*request.POST.getlist("ids"), *request.POST.get("id_list", "").split(",")]
    texts = [text for text in texts if text]
    ids = [each for text in texts if (each := read_uuid(text))]
    if len(ids) != len(texts):
        raise SelectionInvalid("ids: must be invoices")
    return invoices(InvoiceFilter(), today=today).filter(id__in=ids)


def views_of(request: TenantRequest) -> list[SavedView]:
    """Return the saved views a person sees: shared ones and their own, the default first."""
    user_id = request.principal.user_id
    views = SavedView.objects.filter(page=PAGE)
    mine = [view for view in views if view.is_shared or view.owner_id == user_id]
    return sorted(mine, key=lambda view: (not view.is_default, view.name))


def choices() -> dict[str, Any]:
    """Return what the filters offer."""
    return {
        "currencies": currencies_billed(),
        "entities": list(LegalEntity.objects.order_by("code").values_list("code", "name")),
        "statuses": Invoice.Status.choices,
        "payments": PAYMENTS,
        "assertion_states": ASSERTIONS,
        "group_choices": GROUPS,
    }
