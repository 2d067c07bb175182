"""Read connections, pushes and the documents that are pushed."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from billing.models import Invoice, InvoiceLine
from integrations.models import (
    Connection,
    InboundWebhook,
    OnlinePayment,
    Provider,
    Push,
    SignatureRequest,
)
from integrations.xero.mapping import ContactDocument, InvoiceDocument, LineDocument
from monetization.customers.models import BillingContact, Customer


def connections() -> QuerySet[Connection]:
    return Connection.objects.order_by("provider")


def xero_connection() -> Connection | None:
    """Return the tenant's connection to Xero, connected or not; None if there never was one."""
    found: Connection | None = Connection.objects.filter(provider=Provider.XERO).first()
    return found


def pushes(*, status: str = "", kind: str = "", search: str = "") -> QuerySet[Push]:
    """Return pushes, newest first, with what they wait for."""
    rows = Push.objects.select_related("depends_on").order_by("-id")
    if status:
        rows = rows.filter(status=status)
    if kind:
        rows = rows.filter(kind=kind)
    if search:
        rows = rows.filter(Q(label__icontains=search) | Q(external_id=search))
    return rows


@dataclass(frozen=True, slots=True)
class PushCounts:
    """How many pushes are in each state; ``attention`` is what a person must look at."""

    pending: int
    pushed: int
    failed: int
    refused: int

    @property
    def attention(self) -> int:
        return self.failed + self.refused


def push_counts() -> PushCounts:
    found = Counter(Push.objects.values_list("status", flat=True))
    return PushCounts(*(found[name] for name in ("pending", "pushed", "failed", "refused")))


def push_of_invoice(invoice_id: UUID) -> Push | None:
    """Return what became of an invoice in Xero; None if it was never to be pushed."""
    found: Push | None = (
        Push.objects.select_related("depends_on")
        .filter(provider=Provider.XERO, subject_ref=f"invoice/{invoice_id}")
        .first()
    )
    return found


def due_pushes(*, now: datetime, limit: int) -> list[UUID]:
    """Return what to push next: contacts before the invoices that need them, oldest first."""
    rows = (
        Push.objects.filter(status=Push.Status.PENDING, next_attempt_at__lte=now)
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        .filter(Q(depends_on__isnull=True) | Q(depends_on__status=Push.Status.PUSHED))
        .order_by(F("depends_on").asc(nulls_first=True), "id")
    )
    return list(rows.values_list("id", flat=True)[:limit])


def contact_document(customer_id: UUID) -> ContactDocument:
    customer = Customer.objects.get(id=customer_id)
    billing_contact = (
        BillingContact.objects.filter(customer=customer).order_by("-is_primary", "id").first()
    )
    return ContactDocument(
        reference=str(customer.id),
        name=customer.legal_name or customer.name,
        email=billing_contact.email if billing_contact else "",
        tax_id=customer.tax_id,
    )


def invoice_document(invoice: Invoice) -> InvoiceDocument:
    """Return an issued invoice as the books need it."""
    lines = [_line_document(line) for line in invoice.lines.order_by("position", "id")]
    if invoice.issued_on is None or invoice.due_on is None:
        raise ValueError(f"invoice {invoice.id} was never issued")
    return InvoiceDocument(
        number=invoice.number,
        currency=invoice.currency,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        reference=invoice.purchase_order or (invoice.schedule.number if invoice.schedule else ""),
        lines=tuple(lines),
        subtotal=invoice.subtotal_amount,
        tax=invoice.tax_amount,
        total=invoice.total_amount,
    )


def _line_document(line: InvoiceLine) -> LineDocument:
    last_day = line.service_end - timedelta(days=1)
    days = (
        f"{line.service_start}"
        if last_day <= line.service_start
        else (f"{line.service_start} to {last_day}")
    )
    return LineDocument(
        description=f"{line.description} ({days})",
        product_code=line.product_code,
        amount=line.amount,
        tax_amount=line.tax_amount,
        tax_percent=line.tax_percent,
        tax_treatment=line.tax_treatment or line.invoice.tax_treatment,
    )


def signature_requests(*, state: str = "", search: str = "") -> QuerySet[SignatureRequest]:
    """Return signature requests, newest first, with their quotes and customers."""
    rows = SignatureRequest.objects.select_related("version__quote__customer").order_by("-id")
    if state == "attention":
        rows = rows.filter(needs_attention=True)
    elif state:
        rows = rows.filter(state=state)
    if search:
        by_customer = Q(version__quote__customer__name__icontains=search)
        rows = rows.filter(Q(label__icontains=search) | by_customer | Q(external_id=search))
    return rows


@dataclass(frozen=True, slots=True)
class SignatureCounts:
    waiting: int
    complete: int
    attention: int


def signature_counts() -> SignatureCounts:
    rows = list(SignatureRequest.objects.values_list("state", "needs_attention"))
    waiting = ("new", "sent", "viewed", "partly_signed", "signed")
    return SignatureCounts(
        waiting=sum(state in waiting for state, _ in rows),
        complete=sum(state == "complete" for state, _ in rows),
        attention=sum(attention for _, attention in rows),
    )


def online_payments(
    *, kind: str = "", attention: bool = False, search: str = ""
) -> QuerySet[OnlinePayment]:
    """Return payment pages, payments and payouts, newest first, with their invoices."""
    rows = OnlinePayment.objects.select_related("invoice__customer", "payment").order_by("-id")
    if kind:
        rows = rows.filter(kind=kind)
    if attention:
        rows = rows.filter(needs_attention=True)
    if search:
        by_invoice = Q(invoice__number__icontains=search)
        by_customer = Q(invoice__customer__name__icontains=search)
        rows = rows.filter(by_invoice | by_customer | Q(external_id=search))
    return rows


@dataclass(frozen=True, slots=True)
class PaymentCounts:
    paid: int
    waiting: int
    attention: int


def payment_counts() -> PaymentCounts:
    paid = Q(kind=OnlinePayment.Kind.PAYMENT, payment__isnull=False)
    found = OnlinePayment.objects.aggregate(
        paid=Count("id", filter=paid),
        waiting=Count("id", filter=Q(due_at__isnull=False)),
        attention=Count("id", filter=Q(needs_attention=True)),
    )
    return PaymentCounts(**found)


def webhooks_about(row: OnlinePayment) -> QuerySet[InboundWebhook]:
    """Return what the service called about a payment, newest first."""
    found: QuerySet[InboundWebhook] = InboundWebhook.objects.filter(
        provider=row.provider, external_id=row.external_id
    )
    return found.order_by("-received_at", "-id")


def callbacks_of(request: SignatureRequest) -> QuerySet[InboundWebhook]:
    """Return what the service called about a request, newest first."""
    rows: QuerySet[InboundWebhook] = InboundWebhook.objects.filter(
        provider=request.provider, external_id=request.external_id
    ).exclude(external_id="")
    return rows.order_by("-received_at", "-id")
