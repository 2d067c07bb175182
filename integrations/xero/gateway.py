"""Xero through its official SDK. Called between transactions, never inside one.

The SDK is imported where it is used: it is large, and only workers need it. Three of its habits
are switched off here: one default configuration shared by every client (its token would travel
between tenants), endless waiting, and sleeping through ``Retry-After`` inside a call.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from integrations.errors import Refused, Unavailable
from integrations.xero.mapping import Figures

TIMEOUT = (5, 30)  # seconds to connect, seconds to answer
UNIT_DECIMALS = 4
XERO_URL = "https://api.xero.com"
XERO_TOKEN_URL = "https://identity.xero.com/connect/token"  # noqa: S105 - an address
TOKEN_MARGIN = 60  # seconds before its end at which a token is renewed
AUTHORISATION_PAUSE = timedelta(minutes=5)
GONE = ("VOIDED", "DELETED")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a custom connection: one client, one organisation, no redirect and no refresh token."""

    client_id: str
    client_secret: str = field(repr=False)

    def to_json(self) -> str:
        return json.dumps({"client_id": self.client_id, "client_secret": self.client_secret})

    @classmethod
    def from_json(cls, text: str | None) -> "Credentials":
        data = json.loads(text or "{}")
        return cls(data.get("client_id", ""), data.get("client_secret", ""))


@dataclass(frozen=True, slots=True)
class Organisation:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What Xero has, by its own answer."""

    external_id: str
    response: dict[str, Any]


# Access tokens and when they end, shared by the workers of one process. The secret is part of
# the key: whoever does not know it gets nothing that it opened.
_tokens: dict[tuple[str, Credentials], tuple[str, float]] = {}


class Gateway:
    """One tenant's line to Xero.

    Every method may raise ``Refused`` (a person must look) or ``Unavailable`` (try later).
    """

    def __init__(
        self, *, base_url: str, credentials: Credentials, organisation_id: str = ""
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.credentials = credentials
        self.organisation_id = organisation_id
        self.client = _client(self._token)

    def organisation(self) -> Organisation:
        """Return the organisation that the credentials open."""
        from xero_python.identity import IdentityApi

        identity = IdentityApi(self.client, base_url=self.base_url)
        found = self._call(identity.get_connections)
        for connection in found:
            if connection.tenant_type == "ORGANISATION":
                return Organisation(str(connection.tenant_id), str(connection.tenant_name))
        raise Refused("these credentials open no organisation in Xero; authorise one there")

    def push_contact(self, request: dict[str, Any], *, idempotency_key: str) -> Recorded:
        """Find the contact by our reference, or create it."""
        from xero_python.accounting import Contacts

        api = self._accounting()
        where = f'ContactNumber=="{request["ContactNumber"]}"'
        found = self._call(api.get_contacts, self.organisation_id, where=where)
        if not found.contacts:
            found = self._call(
                api.create_contacts,
                self.organisation_id,
                Contacts(contacts=[_contact_model(request)]),
                idempotency_key=idempotency_key,
            )
        contact = found.contacts[0]
        return Recorded(
            contact.contact_id,
            {
                "ContactID": contact.contact_id,
                "Name": contact.name,
                "ContactNumber": contact.contact_number,
                "ContactStatus": contact.contact_status,
            },
        )

    def push_invoice(
        self, request: dict[str, Any], *, expected: Figures, idempotency_key: str
    ) -> Recorded:
        """Find the invoice by its number, or create it; then compare its totals with ours.

        The look-up comes first because a reply can be lost after Xero did what it was asked,
        and Xero remembers an Idempotency-Key for minutes only.

        :raises Refused: with both sets of figures, if Xero's differ from ``expected``.
        """
        from xero_python.accounting import Invoices

        api = self._accounting()
        number = request["InvoiceNumber"]
        found = self._call(
            api.get_invoices, self.organisation_id, invoice_numbers=[number], unitdp=UNIT_DECIMALS
        )
        there = [one for one in found.invoices or [] if one.invoice_number == number]
        if not there:
            created = self._call(
                api.create_invoices,
                self.organisation_id,
                Invoices(invoices=[_invoice_model(request)]),
                unitdp=UNIT_DECIMALS,
                idempotency_key=idempotency_key,
            )
            there = created.invoices
        return _compared(_still_standing(there), request, expected)

    def _accounting(self) -> Any:
        from xero_python.accounting import AccountingApi

        return AccountingApi(self.client, base_url=f"{self.base_url}/api.xro/2.0")

    def _call(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call the SDK; with a new access token once, if the one in memory is not accepted."""
        from xero_python.exceptions import ApiException, OpenApiException
        from xero_python.exceptions import HTTPStatusException as StatusError

        try:
            try:
                return method(*args, **kwargs)
            except StatusError as error:
                if error.status != 401:
                    raise
                _tokens.pop((self.base_url, self.credentials), None)
                return method(*args, **kwargs)
        except ApiException as error:
            raise _judged(error) from error
        except OpenApiException as error:
            raise Unavailable(f"Xero could not be asked: {error}") from error
        except _transport_errors() as error:
            raise Unavailable(f"Xero did not answer: {type(error).__name__}: {error}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise Unavailable(f"Xero's answer was not understood: {error}") from error

    def _token(self) -> dict[str, Any]:
        key = (self.base_url, self.credentials)
        token, ends = _tokens.get(key, ("", 0.0))
        if ends - TOKEN_MARGIN < time.time():
            token, ends = self._new_token()
            _tokens[key] = (token, ends)
        return {"access_token": token, "scope": [], "expires_in": 1800, "token_type": "Bearer"}

    def _new_token(self) -> tuple[str, float]:
        from xero_python.api_client.oauth2 import TokenApi
        from xero_python.exceptions import HTTPStatusException

        tokens = TokenApi(self.client, self.credentials.client_id, self.credentials.client_secret)
        is_xero = self.base_url == XERO_URL
        tokens.client_credentials_token_url = (
            XERO_TOKEN_URL if is_xero else f"{self.base_url}/connect/token"
        )
        try:
            answer = tokens.get_client_credentials_token(app_store_billing=False)
        except HTTPStatusException as error:
            if error.status in (400, 401, 403):
                raise Unavailable(
                    "Xero does not accept the client id and secret; connect again",
                    retry_after=AUTHORISATION_PAUSE,
                ) from error
            raise
        return answer["access_token"], time.time() + int(answer.get("expires_in", 1800))


def _client(token: Callable[[], dict[str, Any]]) -> Any:
    import urllib3
    from xero_python.api_client import ApiClient
    from xero_python.api_client.configuration import Configuration
    from xero_python.api_client.oauth2 import OAuth2Token

    class PatientClient(ApiClient):
        def request(self, method: str, url: str, **kwargs: Any) -> Any:
            kwargs["_request_timeout"] = kwargs.get("_request_timeout") or TIMEOUT
            return super().request(method, url, **kwargs)

    configuration = Configuration()  # a copy of one shared default: give it a token of its own
    configuration.oauth2_token = OAuth2Token()
    client = PatientClient(configuration, oauth2_token_getter=token)
    pool = client.rest_client.pool_manager.connection_pool_kw
    pool["retries"] = urllib3.Retry(total=False)
    return client


@lru_cache(maxsize=1)
def _transport_errors() -> tuple[type[Exception], ...]:
    import urllib3

    return (urllib3.exceptions.HTTPError, OSError)


def _judged(error: Any) -> Refused | Unavailable:
    """Say what an answer other than 2xx means for us."""
    status = error.status or 0
    if status == 429:
        return Unavailable(
            f"Xero's limit of calls per {_header(error, 'X-Rate-Limit-Problem') or 'minute'}",
            retry_after=_retry_after(error),
        )
    if status in (401, 403):
        return Unavailable(
            f"Xero does not let this connection in ({status}): {_words(error)}; connect again",
            retry_after=AUTHORISATION_PAUSE,
        )
    if 400 <= status < 500 and status not in (408, 425):
        return Refused(f"Xero refused: {_words(error)}", response=_body(error))
    return Unavailable(f"Xero answered {status or 'with a broken connection'}")


def _header(error: Any, name: str) -> str:
    response = getattr(error.http_resp, "urllib3_response", None)
    return str(response.headers.get(name, "")) if response is not None else ""


def _retry_after(error: Any) -> timedelta:
    text = _header(error, "Retry-After")
    return timedelta(seconds=max(1, int(text)) if text.isdigit() else 60)


def _body(error: Any) -> dict[str, Any]:
    try:
        body = json.loads(error.body or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(error: Any) -> str:
    """Return Xero's own sentences from the body of an error."""
    body = _body(error)
    messages = list(dict.fromkeys(_validation_messages(body.get("Elements", []))))
    return " ".join(messages) or str(
        body.get("Message") or body.get("Detail") or error.reason or error.status
    )


def _validation_messages(node: Any) -> list[str]:
    if isinstance(node, list):
        return [message for item in node for message in _validation_messages(item)]
    if not isinstance(node, dict):
        return []
    own = [str(item.get("Message", "")) for item in node.get("ValidationErrors") or []]
    below = [m for key, v in node.items() if key != "ValidationErrors" for m in _deeper(v)]
    return own + below


def _deeper(value: Any) -> list[str]:
    return _validation_messages(value) if isinstance(value, (dict, list)) else []


# The SDK's defaults would send fields that Xero's specification only lets us read.
_CONTACT_READ_ONLY = {"has_attachments": None, "has_validation_errors": None}


def _contact_model(request: dict[str, Any]) -> Any:
    from xero_python.accounting import Contact

    return Contact(
        name=request["Name"],
        contact_number=request["ContactNumber"],
        email_address=request.get("EmailAddress"),
        tax_number=request.get("TaxNumber"),
        **_CONTACT_READ_ONLY,
    )


def _invoice_model(request: dict[str, Any]) -> Any:
    from xero_python.accounting import Contact, CurrencyCode, Invoice, LineAmountTypes, LineItem

    if request["CurrencyCode"] not in CurrencyCode.__members__:
        raise Refused(f"Xero does not know the currency {request['CurrencyCode']}")
    return Invoice(
        type=request["Type"],
        status=request["Status"],
        contact=Contact(contact_id=request["Contact"]["ContactID"], **_CONTACT_READ_ONLY),
        invoice_number=request["InvoiceNumber"],
        reference=request["Reference"],
        date=date.fromisoformat(request["Date"]),
        due_date=date.fromisoformat(request["DueDate"]),
        currency_code=CurrencyCode[request["CurrencyCode"]],
        line_amount_types=LineAmountTypes(request["LineAmountTypes"]),
        line_items=[
            LineItem(
                description=line["Description"],
                quantity=Decimal(line["Quantity"]),
                unit_amount=Decimal(line["UnitAmount"]),
                line_amount=Decimal(line["LineAmount"]),
                account_code=line["AccountCode"],
                tax_type=line["TaxType"],
                tax_amount=Decimal(line["TaxAmount"]),
            )
            for line in request["LineItems"]
        ],
        has_attachments=None,
        has_errors=None,
    )


def _still_standing(invoices: list[Any]) -> Any:
    standing = [one for one in invoices if one.status not in GONE]
    if standing:
        return standing[0]
    gone = invoices[0]
    raise Refused(
        f"{gone.invoice_number} is {str(gone.status).lower()} in Xero; it is not written again",
        external_id=gone.invoice_id,
        response=_summary(gone),
    )


def _compared(invoice: Any, request: dict[str, Any], expected: Figures) -> Recorded:
    theirs = Figures(
        currency=invoice.currency_code.value if invoice.currency_code else "",
        subtotal=Decimal(invoice.sub_total or 0),
        tax=Decimal(invoice.total_tax or 0),
        total=Decimal(invoice.total or 0),
    )
    problem = ""
    if invoice.type != request["Type"]:
        problem = f"{invoice.invoice_number} is a {invoice.type} in Xero, not a sales invoice"
    elif invoice.contact is None or invoice.contact.contact_id != request["Contact"]["ContactID"]:
        problem = f"{invoice.invoice_number} belongs to another contact in Xero"
    elif theirs != expected:
        problem = f"{invoice.invoice_number} is {theirs} in Xero and {expected} here"
    if problem:
        raise Refused(problem, external_id=invoice.invoice_id, response=_summary(invoice))
    return Recorded(invoice.invoice_id, _summary(invoice))


def _summary(invoice: Any) -> dict[str, Any]:
    return {
        "InvoiceID": invoice.invoice_id,
        "InvoiceNumber": invoice.invoice_number,
        "Status": invoice.status,
        "CurrencyCode": invoice.currency_code.value if invoice.currency_code else None,
        "SubTotal": str(invoice.sub_total),
        "TotalTax": str(invoice.total_tax),
        "Total": str(invoice.total),
        "AmountDue": str(invoice.amount_due),
    }
