"""Connect a provider; owe it documents; take one, and record what became of it.

The provider itself is called by ``integrations.tasks``, between these transactions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.models import Invoice
from integrations import selectors
from integrations.errors import Refused, Unavailable
from integrations.models import Connection, Provider, Push
from integrations.xero import mapping
from integrations.xero.gateway import Credentials, Figures, Organisation, Recorded
from monetization.customers.models import Customer
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.joining import joined

MAX_ATTEMPTS = 12
FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(hours=6)
LEASE = timedelta(minutes=5)  # longer than the calls of one attempt with their timeouts
SIMULATOR_URL = "http://127.0.0.1:8060"


class CredentialsMissing(Refusal):
    """Xero needs a client id and secret."""


class NotConnected(Refusal):
    """There is no connection to Xero."""


class AlreadyPushed(Refusal):
    """It is in the provider's books already."""


class UnknownSetting(Refusal):
    """A setting that is empty or not known."""


def xero_url() -> str:
    """Return where Xero is: its own address, or the simulator's on this machine."""
    return str(settings.XERO_API_URL or SIMULATOR_URL).rstrip("/")


def uses_simulator() -> bool:
    return not str(urlsplit(xero_url()).hostname).endswith("xero.com")


@transaction.atomic
def connect_xero(
    *,
    now: datetime,
    client_id: str = "",
    client_secret: str = "",
    accounts: mapping.Accounts | None = None,
) -> Connection:
    """Connect the tenant's Xero organisation through a custom connection; again to renew it.

    Nothing is called here: the worker asks Xero for the organisation within seconds and writes
    its name, or Xero's words, on the row. Invoices issued from now on are pushed.

    :param client_id: of a custom connection; may be left out where Xero is the simulator.
    :raises CredentialsMissing: if one of the two is missing.
    """
    if not (client_id or client_secret) and uses_simulator():
        credentials = Credentials(f"simulator-{current_tenant_id()}", "simulator")
    elif client_id and client_secret:
        credentials = Credentials(client_id.strip(), client_secret.strip())
    else:
        raise CredentialsMissing("enter the client id and the client secret of a custom connection")
    connection: Connection
    connection, _ = Connection.objects.get_or_create(
        provider=Provider.XERO, defaults={"connected_at": now}
    )
    connection.status = Connection.Status.CONNECTED
    connection.credentials = credentials.to_json()
    connection.last_error, connection.paused_until = "", None
    connection.connected_at, connection.checked_at = now, None
    chosen = accounts or mapping.Accounts.from_data(connection.settings)
    connection.settings = chosen.to_data()
    connection.save()
    return connection


@transaction.atomic
def disconnect_xero() -> Connection:
    """Forget the credentials. What was pushed stays pushed; what is pending waits.

    :raises NotConnected: if there is nothing to disconnect.
    """
    connection = _locked_connection()
    connection.status = Connection.Status.DISCONNECTED
    connection.credentials = None
    connection.save(update_fields=["status", "credentials"])
    return connection


@transaction.atomic
def change_xero_accounts(
    *,
    sales_account: str,
    tax_type: str,
    no_tax_type: str,
    product_accounts: Mapping[str, str] | None = None,
    tax_types: Mapping[str, str] | None = None,
) -> Connection:
    """Say where amounts go in Xero's chart of accounts; used from the next attempt on.

    :raises UnknownSetting: if one is empty or longer than Xero's codes.
    """
    product_accounts = dict(product_accounts or {})
    named = {"sales account": sales_account, "tax type": tax_type, "no-tax type": no_tax_type}
    named |= {f"account of {code}": account for code, account in product_accounts.items()}
    tax_types = dict(tax_types or {})
    named |= {f"tax type of {rate}": each for rate, each in tax_types.items()}
    for name, value in named.items():
        if not value.strip() or len(value) > 50:
            raise UnknownSetting(f"the {name} must be a code of 1 to 50 characters")
    connection = _locked_connection()
    connection.settings = mapping.Accounts(
        sales_account.strip(), tax_type.strip(), no_tax_type.strip(), product_accounts, tax_types
    ).to_data()
    connection.save(update_fields=["settings"])
    return connection


def _locked_connection() -> Connection:
    found: Connection | None = (
        Connection.objects.select_for_update(of=("self",)).filter(provider=Provider.XERO).first()
    )
    if found is None:
        raise NotConnected("connect Xero first")
    return found


# --- What is owed ---------------------------------------------------------------------------


@joined
def enqueue_invoice(*, invoice_id: UUID, now: datetime) -> Push | None:
    """Owe Xero an issued invoice, and its customer first. Once, however often it is called.

    :returns: the push; None where the tenant has no connected Xero.
    """
    connection = selectors.xero_connection()
    if connection is None or not connection.is_connected:
        return None
    invoice = Invoice.objects.select_related("customer").get(id=invoice_id)
    contact = _owe_contact(invoice.customer, now)
    push: Push
    push, _ = Push.objects.get_or_create(
        provider=Provider.XERO,
        kind=Push.Kind.INVOICE,
        subject_ref=f"invoice/{invoice.id}",
        defaults={"label": invoice.number, "depends_on": contact, "next_attempt_at": now},
    )
    return push


def _owe_contact(customer: Customer, now: datetime) -> Push:
    push: Push
    push, _ = Push.objects.get_or_create(
        provider=Provider.XERO,
        kind=Push.Kind.CONTACT,
        subject_ref=f"customer/{customer.id}",
        defaults={"label": customer.name, "next_attempt_at": now},
    )
    return push


@transaction.atomic
def enqueue_issued_invoices(*, issued_from: date, now: datetime) -> int:
    """Owe Xero what was issued before it was connected; returns how many there are.

    :raises NotConnected: without a connected Xero.
    """
    connection = selectors.xero_connection()
    if connection is None or not connection.is_connected:
        raise NotConnected("connect Xero first")
    known = set(Push.objects.values_list("subject_ref", flat=True))
    issued = Invoice.objects.filter(status=Invoice.Status.ISSUED, issued_on__gte=issued_from)
    missing = [
        one
        for one in issued.order_by("issued_on", "number").values_list("id", flat=True)
        if f"invoice/{one}" not in known
    ]
    for invoice_id in missing:
        enqueue_invoice(invoice_id=invoice_id, now=now)
    return len(missing)


@transaction.atomic
def retry_push(*, push_id: UUID, now: datetime) -> Push:
    """Make a push due again now, counting its attempts anew.

    The next request carries a new Idempotency-Key, so that a refusal is not replayed; the
    look-up before every create is what keeps it single.

    :raises AlreadyPushed: if there is nothing left to do.
    """
    push: Push = Push.objects.select_for_update(of=("self",)).get(id=push_id)
    if not push.can_be_retried:
        raise AlreadyPushed(f"{push.label} is in Xero already")
    push.status, push.next_attempt_at = Push.Status.PENDING, now
    push.attempts, push.idempotency_key = 0, ""
    push.save(update_fields=["status", "next_attempt_at", "attempts", "idempotency_key"])
    return push


@transaction.atomic
def retry_all(*, now: datetime) -> int:
    """Make everything that waits for a person due again; returns how many."""
    waiting = Push.objects.filter(status__in=[Push.Status.FAILED, Push.Status.REFUSED])
    return int(
        waiting.update(
            status=Push.Status.PENDING, next_attempt_at=now, attempts=0, idempotency_key=""
        )
    )


# --- One attempt ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A push taken for one attempt: everything the call needs, read in one transaction."""

    push_id: UUID
    number: int  # which claim of this push it is; a later one overrules it
    kind: str
    request: dict[str, Any]
    idempotency_key: str
    expected: Figures | None


@transaction.atomic
def claim_push(*, push_id: UUID, now: datetime) -> Claim | None:
    """Take a due push for one attempt; None if it is not due, or another worker has it.

    The claim commits before Xero is called. If the worker dies, the lease runs out and the
    next attempt carries the same Idempotency-Key. What can never be pushed is refused here.
    """
    push: Push | None = (
        Push.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(id=push_id, status=Push.Status.PENDING, next_attempt_at__lte=now)
        .first()
    )
    if push is None or (push.lease_until is not None and push.lease_until > now):
        return None
    try:
        request, expected = _content(push)
    except Refused as reason:
        _refuse(push, reason)
        push.save()
        return None
    if not push.idempotency_key or push.request != request:
        push.request, push.idempotency_key = request, f"{push.id}.{uuid7().hex}"
    push.attempts, push.claims = push.attempts + 1, push.claims + 1
    push.lease_until = now + LEASE
    push.save()
    return Claim(push.id, push.claims, push.kind, request, push.idempotency_key, expected)


def _content(push: Push) -> tuple[dict[str, Any], Figures | None]:
    if push.kind == Push.Kind.CONTACT:
        return mapping.contact_request(selectors.contact_document(UUID(push.subject_id))), None
    invoice = Invoice.objects.select_related("schedule").get(id=push.subject_id)
    if invoice.status == Invoice.Status.VOID:
        raise Refused(f"{invoice.number} was voided here; if Xero has it, void it there")
    connection, contact = selectors.xero_connection(), push.depends_on
    if connection is None or contact is None or not contact.external_id:
        raise Refused("its customer is not in Xero yet")
    document = selectors.invoice_document(invoice)
    request = mapping.invoice_request(
        document,
        contact_id=contact.external_id,
        accounts=mapping.Accounts.from_data(connection.settings),
    )
    return request, mapping.figures(document)


@transaction.atomic
def record_pushed(*, claim: Claim, recorded: Recorded, now: datetime) -> None:
    """Write down that it is there. True whoever finds out, so no fence."""
    push: Push = Push.objects.select_for_update(of=("self",)).get(id=claim.push_id)
    push.status, push.pushed_at = Push.Status.PUSHED, push.pushed_at or now
    push.external_id, push.response = recorded.external_id, recorded.response
    push.last_error, push.next_attempt_at, push.lease_until = "", None, None
    push.save()


@transaction.atomic
def record_refused(*, claim: Claim, reason: Refused) -> None:
    """Keep the provider's words for a person."""
    push = _still_held(claim)
    if push is not None:
        _refuse(push, reason)
        push.save()


@transaction.atomic
def record_unavailable(*, claim: Claim, reason: Unavailable, now: datetime) -> None:
    """Try again later, ever more slowly; as late as asked, for everybody, after a 429."""
    push = _still_held(claim)
    if push is None:
        return
    push.lease_until, push.last_error = None, str(reason)[:2000]
    if reason.retry_after is not None:
        push.attempts = max(push.attempts - 1, 0)  # being told to wait is not a failed attempt
        push.next_attempt_at = now + reason.retry_after
        pause_connection(reason=reason, now=now)
    elif push.attempts >= MAX_ATTEMPTS:
        push.status, push.next_attempt_at = Push.Status.FAILED, None
    else:
        push.next_attempt_at = now + min(FIRST_RETRY * 2 ** (push.attempts - 1), LONGEST_RETRY)
    push.save()


def _still_held(claim: Claim) -> Push | None:
    push: Push = Push.objects.select_for_update(of=("self",)).get(id=claim.push_id)
    mine = push.claims == claim.number and push.status == Push.Status.PENDING
    return push if mine else None


def _refuse(push: Push, reason: Refused) -> None:
    push.status, push.last_error = Push.Status.REFUSED, str(reason)[:2000]
    push.external_id = reason.external_id or push.external_id
    push.response = reason.response or push.response
    push.next_attempt_at = push.lease_until = None


@transaction.atomic
def record_organisation(*, organisation: Organisation, now: datetime) -> None:
    """Write down whose books these are; the first answer of a new connection.

    Other books than before know none of our customers: their contacts are owed again.
    """
    connection = _locked_connection()
    if connection.organisation_id not in ("", organisation.id):
        Push.objects.filter(provider=Provider.XERO, kind=Push.Kind.CONTACT).update(
            status=Push.Status.PENDING,
            external_id="",
            idempotency_key="",
            attempts=0,
            pushed_at=None,
            next_attempt_at=now,
        )
    connection.organisation_id = organisation.id
    connection.organisation_name = organisation.name[:200]
    connection.last_error, connection.paused_until, connection.checked_at = "", None, now
    connection.save()


@transaction.atomic
def pause_connection(*, reason: Exception, now: datetime) -> None:
    """Leave the provider alone for as long as it asked, or for a minute."""
    connection = _locked_connection()
    wait = getattr(reason, "retry_after", None) or timedelta(minutes=1)
    connection.paused_until, connection.last_error = now + wait, str(reason)[:2000]
    connection.save(update_fields=["paused_until", "last_error"])


@transaction.atomic
def resume_connection(*, now: datetime) -> None:
    """Note that it answers again."""
    Connection.objects.filter(provider=Provider.XERO).exclude(last_error="").update(
        last_error="", paused_until=None, checked_at=now
    )
