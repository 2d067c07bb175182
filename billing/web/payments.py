"""Money received, and who owes what."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import F, Model, OuterRef, Prefetch, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from billing import selectors
from billing.models import Invoice, Payment, PaymentAllocation, PaymentRefund
from billing.services.collections import open_amount, record_payment
from billing.web import filters
from billing.web.spreadsheet import xlsx_response
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import DayField, ExactNumberField, PageForm
from monetization.interface.htmx import done
from monetization.interface.templatetags.money import money
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, MoneyError
from monetization.tenancy.models import tenant_today

ZERO = Decimal(0)
CSV_HEADER = (
    "Received on", "Customer", "Reference", "Method", "Currency", "Amount", "Settles", "Refunded",
    "On account",
)  # fmt: skip


@member_required("payments:read")
def payment_list(request: HttpRequest) -> HttpResponse:
    """Show what is open by age, and the payments received."""
    page = Paginator(_received(request), 50).get_page(request.GET.get("page"))
    today = tenant_today()
    return render(
        request,
        "billing/payment_list.html",
        {"page": page, "aging": selectors.aging(today=today), "today": today},
    )


@member_required("payments:read")
def payment_export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Give the payments that are shown, every page of them, as CSV or XLSX."""
    if kind not in ("csv", "xlsx"):
        raise Http404
    lines = (
        (
            row.received_on,
            row.customer.name,
            row.reference,
            row.method,
            row.currency,
            row.amount,
            ", ".join(one.invoice.number for one in row.allocations.all()),
            row.refunded,
            row.on_account,
        )
        for row in _received(request).iterator(chunk_size=2000)
    )
    name = f"payments-{tenant_today()}.{kind}"
    if kind == "csv":
        return csv_response(name, CSV_HEADER, lines)
    return xlsx_response(name, CSV_HEADER, lines, "Payments")


def _received(request: HttpRequest) -> Any:
    """Return the payments a request asks for, the last first."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    rows = (
        Payment.objects.select_related("customer")
        .prefetch_related(
            Prefetch("allocations", PaymentAllocation.objects.select_related("invoice"))
        )
        .annotate(refunded=_sum_of(PaymentRefund), settled=_sum_of(PaymentAllocation))
        .annotate(on_account=F("amount") - F("refunded") - F("settled"))
    )
    if search:
        rows = rows.filter(Q(customer__name__icontains=search) | Q(reference__icontains=search))
    return rows.order_by("-received_on", "-id")


def _sum_of(model: type[Model]) -> Any:
    """Return the expression for the sum of a payment's allocations or refunds."""
    rows: Any = model._default_manager
    of_it = rows.filter(payment=OuterRef("pk")).order_by().values("payment")
    return Coalesce(Subquery(of_it.annotate(whole=Sum("amount")).values("whole")), ZERO)


class PaymentForm(PageForm):
    """A payment as finance reads it off the bank statement."""

    customer: Any = forms.ModelChoiceField(queryset=None, empty_label="Choose a customer")
    amount = ExactNumberField(
        whole=15,
        places=4,
        above_zero=True,
        help_text="In the invoice's currency, or else the customer's.",
    )
    received_on = DayField()
    method = forms.CharField(max_length=40, initial="bank transfer")
    reference = forms.CharField(max_length=200, help_text="The bank's; once per customer.")
    invoice: Any = forms.ModelChoiceField(
        queryset=None, required=False, empty_label="The oldest open ones"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customer: Any = self.fields["customer"]
        invoice: Any = self.fields["invoice"]
        customer.queryset = Customer.objects.filter(is_archived=False).order_by("name")
        invoice.queryset = (
            Invoice.objects.filter(status=Invoice.Status.ISSUED)
            .exclude(
                payment_status__in=[Invoice.PaymentStatus.PAID, Invoice.PaymentStatus.UNCOLLECTIBLE]
            )
            .select_related("customer")
            .order_by("number")
        )
        invoice.label_from_instance = lambda row: (
            f"{row.number} · {row.customer.name} · {money(open_amount(row), row.currency)} open"
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        customer, amount, invoice = (data.get(name) for name in ("customer", "amount", "invoice"))
        if customer and invoice and invoice.customer_id != customer.id:
            self.add_error("invoice", f"belongs to {invoice.customer.name}")
        if customer and amount is not None:
            currency = invoice.currency if invoice else customer.currency
            try:
                Money(amount, currency)
            except MoneyError:
                self.add_error("amount", f"has more decimals than {currency} has")
        return data


@member_required("payments:read", write="payments:write")
def payment_create(request: HttpRequest) -> HttpResponse:
    """Record a payment and settle invoices with it."""
    today = tenant_today()
    form = PaymentForm(request.POST or None, initial=_initial(request) | {"received_on": today})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        invoice = data["invoice"]
        try:
            payment = record_payment(
                customer_id=data["customer"].id,
                currency=invoice.currency if invoice else data["customer"].currency,
                amount=data["amount"],
                received_on=data["received_on"],
                method=data["method"],
                reference=data["reference"],
                allocations={invoice.id: min(data["amount"], open_amount(invoice))}
                if invoice
                else None,
                now=timezone.now(),
            )
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(
                request,
                f"Payment {payment.reference} of {payment.customer.name} recorded.",
                reverse("billing:payment-list"),
            )
    status = 422 if form.is_bound else 200
    return render(request, "billing/payment_form.html", {"form": form}, status=status)


def _initial(request: HttpRequest) -> dict[str, Any]:
    invoice = Invoice.objects.filter(
        id=filters.read_uuid(request.GET.get("invoice", "")), status=Invoice.Status.ISSUED
    ).first()
    if invoice is None:
        return {}
    return {"customer": invoice.customer_id, "invoice": invoice, "amount": open_amount(invoice)}
