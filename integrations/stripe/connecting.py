"""Connect a Stripe account, and say how the line to it is."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from integrations.models import Connection, Provider
from integrations.services import CredentialsMissing, NotConnected
from integrations.stripe.gateway import Account, Credentials
from monetization.tenancy.context import current_tenant_id

SIMULATOR_URL = "http://127.0.0.1:8062"


def base_url() -> str:
    """Return where Stripe is: its own address, or the simulator's on this machine."""
    return str(settings.STRIPE_API_URL or SIMULATOR_URL).rstrip("/")


def uses_simulator() -> bool:
    return not str(urlsplit(base_url()).hostname).endswith("stripe.com")


def webhook_address() -> str:
    """Return where Stripe is to tell us of events of the bound tenant."""
    return f"{settings.PUBLIC_BASE_URL}/callbacks/stripe/{current_tenant_id()}"


def connection() -> Connection | None:
    """Return the tenant's connection, connected or not; None if there never was one."""
    found: Connection | None = Connection.objects.filter(provider=Provider.STRIPE).first()
    return found


def is_connected() -> bool:
    found = connection()
    return found is not None and found.is_connected


@transaction.atomic
def connect(*, now: datetime, secret_key: str = "") -> Connection:
    """Connect the tenant's Stripe account; again to renew its key.

    Nothing is called here: the worker asks for the account within seconds and has its events
    sent to us, or writes Stripe's words on the row.

    :param secret_key: may be left out where Stripe is the simulator. A restricted key needs to
        read and write payment pages, refunds and webhook endpoints, and read the rest.
    :raises CredentialsMissing: without one, or with one that is not secret.
    """
    key = secret_key.strip()
    if not key and uses_simulator():
        key = f"sk_test_simulator{current_tenant_id().hex}"
    if not key.startswith(("sk_", "rk_")):
        raise CredentialsMissing("enter the secret key, which begins with sk_, or one with rk_")
    found: Connection
    found, _ = Connection.objects.select_for_update(of=("self",)).get_or_create(
        provider=Provider.STRIPE, defaults={"connected_at": now}
    )
    kept = Credentials.from_json(found.credentials).webhook_secrets
    found.status = Connection.Status.CONNECTED
    found.credentials = Credentials(key, kept).to_json()
    found.last_error, found.paused_until = "", None
    found.connected_at, found.checked_at = now, None
    found.save()
    return found


@transaction.atomic
def disconnect() -> Connection:
    """Forget the key. Payment links say then how to pay by bank transfer.

    :raises NotConnected: if there is nothing to disconnect.
    """
    found = _locked()
    found.status, found.credentials = Connection.Status.DISCONNECTED, None
    found.save(update_fields=["status", "credentials"])
    return found


def _locked() -> Connection:
    found: Connection | None = (
        Connection.objects.select_for_update(of=("self",)).filter(provider=Provider.STRIPE).first()
    )
    if found is None:
        raise NotConnected("connect Stripe first")
    return found


@transaction.atomic
def record_account(*, account: Account, webhook_secret: str, now: datetime) -> None:
    """Write down whose account it is, and the new secret; the one before holds beside it."""
    found = _locked()
    known = Credentials.from_json(found.credentials)
    secrets = (webhook_secret, *known.webhook_secrets)[:2]
    found.credentials = Credentials(known.secret_key, secrets).to_json()
    found.organisation_id, found.organisation_name = account.id[:60], account.name[:200]
    found.settings = {"is_live": account.is_live}
    found.last_error, found.paused_until, found.checked_at = "", None, now
    found.save()


@transaction.atomic
def pause(*, reason: Exception, now: datetime) -> None:
    """Leave Stripe alone for as long as it asked, or for a minute."""
    found = _locked()
    wait = getattr(reason, "retry_after", None) or timedelta(minutes=1)
    found.paused_until, found.last_error = now + wait, str(reason)[:2000]
    found.save(update_fields=["paused_until", "last_error"])


@transaction.atomic
def resume(*, now: datetime) -> None:
    """Note that it answers again."""
    Connection.objects.filter(provider=Provider.STRIPE).exclude(last_error="").update(
        last_error="", paused_until=None, checked_at=now
    )
