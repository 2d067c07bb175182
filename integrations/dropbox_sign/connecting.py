"""Connect a Dropbox Sign account, and say how the line to it is."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from integrations.dropbox_sign.gateway import Account, Credentials
from integrations.dropbox_sign.simulated_desk import client_id_of
from integrations.models import Connection, Provider
from integrations.services import CredentialsMissing, NotConnected
from monetization.tenancy.context import current_tenant_id

SIMULATOR_URL = "http://127.0.0.1:8061"


def base_url() -> str:
    """Return where Dropbox Sign is: its own address, or the simulator's on this machine."""
    return str(settings.DROPBOX_SIGN_API_URL or SIMULATOR_URL).rstrip("/")


def uses_simulator() -> bool:
    return not str(urlsplit(base_url()).hostname).endswith("hellosign.com")


def callback_address() -> str:
    """Return where Dropbox Sign is to tell us of events of the bound tenant."""
    return f"{settings.PUBLIC_BASE_URL}/callbacks/dropbox-sign/{current_tenant_id()}"


def connection() -> Connection | None:
    """Return the tenant's connection, connected or not; None if there never was one."""
    found: Connection | None = Connection.objects.filter(provider=Provider.DROPBOX_SIGN).first()
    return found


def is_connected() -> bool:
    found = connection()
    return found is not None and found.is_connected


@transaction.atomic
def connect(
    *, now: datetime, api_key: str = "", client_id: str = "", is_test: bool = False
) -> Connection:
    """Connect the tenant's Dropbox Sign account; again to renew its key.

    Nothing is called here: the worker asks for the account within seconds and has the app's
    events sent to us, or writes Dropbox Sign's words on the row.

    :param client_id: of an API app; both may be left out where Dropbox Sign is the simulator.
    :param is_test: requests are not legally binding, and cost nothing.
    :raises CredentialsMissing: if one of the two is missing.
    """
    if not (api_key or client_id) and uses_simulator():
        key = f"simulator-{current_tenant_id()}"
        credentials = Credentials(key, client_id_of(key))
    elif api_key and client_id:
        credentials = Credentials(api_key.strip(), client_id.strip())
    else:
        raise CredentialsMissing("enter the API key and the client id of an API app")
    found: Connection
    found, _ = Connection.objects.get_or_create(
        provider=Provider.DROPBOX_SIGN, defaults={"connected_at": now}
    )
    found.status = Connection.Status.CONNECTED
    found.credentials = credentials.to_json()
    found.last_error, found.paused_until = "", None
    found.connected_at, found.checked_at = now, None
    found.settings = {"is_test": is_test}
    found.save()
    return found


@transaction.atomic
def disconnect() -> Connection:
    """Forget the credentials. What is being signed there can no longer be followed.

    :raises NotConnected: if there is nothing to disconnect.
    """
    found = _locked()
    found.status, found.credentials = Connection.Status.DISCONNECTED, None
    found.save(update_fields=["status", "credentials"])
    return found


def _locked() -> Connection:
    found: Connection | None = (
        Connection.objects.select_for_update(of=("self",))
        .filter(provider=Provider.DROPBOX_SIGN)
        .first()
    )
    if found is None:
        raise NotConnected("connect Dropbox Sign first")
    return found


@transaction.atomic
def record_account(*, account: Account, now: datetime) -> None:
    """Write down whose account it is; the first answer of a new connection."""
    found = _locked()
    found.organisation_id = account.id[:60]
    found.organisation_name = f"{account.email}, {account.app_name}"[:200]
    found.last_error, found.paused_until, found.checked_at = "", None, now
    found.save()


@transaction.atomic
def pause(*, reason: Exception, now: datetime) -> None:
    """Leave Dropbox Sign alone for as long as it asked, or for a minute."""
    found = _locked()
    wait = getattr(reason, "retry_after", None) or timedelta(minutes=1)
    found.paused_until, found.last_error = now + wait, str(reason)[:2000]
    found.save(update_fields=["paused_until", "last_error"])


@transaction.atomic
def resume(*, now: datetime) -> None:
    """Note that it answers again."""
    Connection.objects.filter(provider=Provider.DROPBOX_SIGN).exclude(last_error="").update(
        last_error="", paused_until=None, checked_at=now
    )
