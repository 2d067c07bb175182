"""Dropbox Sign through its official SDK. Called between transactions, never inside one.

The SDK is imported where it is used: it takes a second, and only workers need it. It neither
times out nor leaves retries alone by itself; both are set here, for every call.
"""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from integrations.dropbox_sign import mapping
from integrations.dropbox_sign.mapping import Envelope, Standing
from integrations.errors import Refused, Unavailable

TIMEOUT = (5.0, 30.0)  # seconds to connect, seconds to answer
AUTHORISATION_PAUSE = timedelta(minutes=5)
DEFAULT_WAIT = timedelta(minutes=1)  # after a 429 that does not say
LARGEST_FILE = 40 * 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account's API key and the API app under which requests are made."""

    api_key: str = field(repr=False)
    client_id: str

    def to_json(self) -> str:
        return json.dumps({"api_key": self.api_key, "client_id": self.client_id})

    @classmethod
    def from_json(cls, text: str | None) -> "Credentials":
        data = json.loads(text or "{}")
        return cls(data.get("api_key", ""), data.get("client_id", ""))


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account it is, and where its app's callbacks go."""

    id: str
    email: str
    app_name: str
    callback_url: str


class Gone(Exception):
    """The signature request is not there: deleted, canceled, or never was."""


class FileNotReady(Exception):
    """Everybody signed, but the signed file is still being made."""


class Gateway:
    """One tenant's line to Dropbox Sign.

    Every method may raise ``Refused`` (a person must look) or ``Unavailable`` (try later).
    """

    def __init__(self, *, base_url: str, credentials: Credentials) -> None:
        self.base_url = base_url.rstrip("/")
        self.credentials = credentials
        self._client = _client(f"{self.base_url}/v3", credentials.api_key)

    def account(self) -> Account:
        """Return the account and the app that the credentials open."""
        from dropbox_sign.api import AccountApi, ApiAppApi

        account = self._call(AccountApi(self._client).account_get).account
        app = self._call(ApiAppApi(self._client).api_app_get, self.credentials.client_id).api_app
        return Account(
            str(account.account_id or ""),
            str(account.email_address or ""),
            str(app.name or ""),
            str(app.callback_url or ""),
        )

    def set_callback_url(self, url: str) -> None:
        """Have the app's events sent to us."""
        from dropbox_sign.api import ApiAppApi
        from dropbox_sign.models import ApiAppUpdateRequest

        self._call(
            ApiAppApi(self._client).api_app_update,
            self.credentials.client_id,
            ApiAppUpdateRequest(callback_url=url),
        )

    def send(self, envelope: Envelope) -> Standing:
        """Send an order form to its signers, or make it ready to be signed embedded.

        There is no idempotency key: look it up first (``find``) if it may have arrived.
        """
        from dropbox_sign.models import (
            SignatureRequestCreateEmbeddedRequest,
            SignatureRequestSendRequest,
            SubSignatureRequestSigner,
        )

        facts = mapping.request_facts(envelope, self.credentials.client_id)
        facts["signers"] = [SubSignatureRequestSigner(**one) for one in facts["signers"]]
        facts["files"] = [_NamedFile(envelope.pdf, envelope.filename)]
        api = self._requests()
        if envelope.is_embedded:
            request = SignatureRequestCreateEmbeddedRequest(**facts)
            answer = self._call(api.signature_request_create_embedded, request)
        else:
            answer = self._call(api.signature_request_send, SignatureRequestSendRequest(**facts))
        return _standing(answer.signature_request)

    def find(self, envelope: Envelope) -> list[Standing]:
        """Return the requests that carry our reference."""
        answer = self._call(
            self._requests().signature_request_list,
            query=f'title:"{envelope.number}"',
            page_size=100,
        )
        found = [_standing(one) for one in answer.signature_requests or []]
        return [one for one in found if one.reference == envelope.reference]

    def get(self, external_id: str) -> Standing:
        """Return how a request stands.

        :raises Gone: if it is not there.
        """
        answer = self._call(self._requests().signature_request_get, external_id)
        return _standing(answer.signature_request)

    def cancel_stray(self, external_id: str, *, reference: str) -> bool:
        """Cancel a request if it carries our reference and still can be signed."""
        try:
            found = self.get(external_id)
            if found.reference == reference and found.state in ("sent", "viewed", "partly_signed"):
                self.cancel(external_id)
                return True
        except Gone:
            pass
        return False

    def cancel(self, external_id: str) -> None:
        """Have an incomplete request canceled; that it happened shows when it is asked for.

        :raises Gone: if it is not there.
        """
        self._call(self._requests().signature_request_cancel, external_id)

    def remind(self, external_id: str, email: str) -> None:
        """Have a signer reminded by mail; at most once an hour, and not when embedded.

        :raises Gone: if it is not there.
        """
        from dropbox_sign.models import SignatureRequestRemindRequest

        self._call(
            self._requests().signature_request_remind,
            external_id,
            SignatureRequestRemindRequest(email_address=email),
        )

    def signed_file(self, external_id: str) -> bytes:
        """Return the signed PDF with its audit trail.

        :raises FileNotReady: while it is being made.
        :raises Gone: if it is not there.
        """
        found = self._call(self._requests().signature_request_files, external_id, file_type="pdf")
        content = found.read() if hasattr(found, "read") else bytes(found)
        if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1024:]:
            raise Unavailable("Dropbox Sign's signed file is not a whole PDF")
        if len(content) > LARGEST_FILE:
            raise Refused("Dropbox Sign's signed file is larger than 40 MB")
        return content

    def signing_address(self, signature_id: str) -> str:
        """Return where one signer signs, embedded in our page; it works for an hour.

        :raises Gone: if the signature is not there, or its turn has not come.
        """
        from dropbox_sign.api import EmbeddedApi

        answer = self._call(EmbeddedApi(self._client).embedded_sign_url, signature_id)
        return str(answer.embedded.sign_url)

    def _requests(self) -> Any:
        from dropbox_sign.api import SignatureRequestApi

        return SignatureRequestApi(self._client)

    def _call(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        import urllib3
        from dropbox_sign.exceptions import ApiException, OpenApiException
        from pydantic import ValidationError

        try:
            return method(*args, **kwargs, _request_timeout=TIMEOUT)
        except ApiException as error:
            raise _judged(error) from error
        except OpenApiException as error:
            raise Unavailable(f"Dropbox Sign could not be asked: {error}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            words = f"Dropbox Sign did not answer: {type(error).__name__}"
            raise Unavailable(words) from error
        except (ValidationError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise Unavailable(
                f"Dropbox Sign's answer was not understood: {type(error).__name__}"
            ) from error


class _NamedFile(io.BytesIO):
    """A file as the SDK uploads it: its type comes from its name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _client(host: str, api_key: str) -> Any:
    import urllib3
    from dropbox_sign import ApiClient, Configuration

    configuration = Configuration(username=api_key, host=host)
    configuration.retries = urllib3.Retry(total=False)
    return ApiClient(configuration)


def _standing(model: Any) -> Standing:
    return mapping.standing(json.loads(model.to_json()))


def _judged(error: Any) -> Exception:
    """Say what an answer other than 2xx means for us."""
    status = error.status or 0
    name, words = _words(error)
    if status == 409:
        return FileNotReady(words)
    if status in (404, 410) or name in ("not_found", "deleted"):
        return Gone(words)
    if status == 429 or name == "exceeded_rate":
        return Unavailable("Dropbox Sign's limit of calls", retry_after=_retry_after(error))
    if status in (401, 403):
        return Unavailable(
            f"Dropbox Sign does not let this connection in ({status}): {words}; connect again",
            retry_after=AUTHORISATION_PAUSE,
        )
    if 400 <= status < 500 and status not in (408, 425):
        return Refused(f"Dropbox Sign refused: {words}", response={"error_name": name})
    return Unavailable(f"Dropbox Sign answered {status or 'with a broken connection'}")


def _retry_after(error: Any) -> timedelta:
    """Return how long to wait: asked for in seconds, or as the time at which the limit resets."""
    headers = error.headers or {}
    seconds, resets = headers.get("Retry-After", ""), headers.get("X-Ratelimit-Reset", "")
    if seconds.isdigit():
        return timedelta(seconds=max(1, int(seconds)))
    if resets.isdigit():
        return min(timedelta(seconds=max(1, int(resets) - time.time())), timedelta(hours=1))
    return DEFAULT_WAIT


def _words(error: Any) -> tuple[str, str]:
    """Return the name and the sentence of Dropbox Sign's error."""
    try:
        data = json.loads(error.body or "{}")["error"]
        return str(data.get("error_name") or ""), str(data.get("error_msg") or error.reason)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", str(error.reason or error.status)
