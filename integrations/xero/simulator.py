"""A Xero organisation on this machine: the real paths, rules and words, no Xero account.

A WSGI application without Django. It keeps its books in one SQLite file, so a restart loses
nothing. ``manage.py xero_simulator`` serves it; tests serve it in a thread and tell it to fail.
Every client named ``simulator-...`` (secret ``simulator``) has an organisation of its own.
"""

import json
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from html import escape
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import NAMESPACE_URL, uuid4, uuid5
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from integrations.xero import simulated_rules as rules
from integrations.xero.simulated_books import KINDS, Books, Invalid, dump
from integrations.xero.simulated_rules import Document

CLIENT_PREFIX, SECRET = "simulator", "simulator"
TOKEN_SECONDS = 1800
IDEMPOTENCY_SECONDS = 360  # Xero forgets a key after minutes, too
_API = "/api.xro/2.0/"
_TABLES = """
CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, client TEXT NOT NULL, ends REAL NOT NULL);
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    ends REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next request of a method: for tests.

    ``rate_limit`` and ``error`` answer instead of acting; ``garbage`` and ``lost_reply`` act,
    then answer nonsense or break off.
    """

    kind: str  # rate_limit, error, garbage, lost_reply
    method: str = "PUT"
    retry_after: int = 1


class Simulator:
    """The application, its books and a memory of what it was asked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.calls: deque[Call] = deque(maxlen=500)
        self.faults: list[Fault] = []
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "xero.sqlite3", check_same_thread=False)
        self._db.executescript(_TABLES)
        self._books = Books(self._db)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = _read(environ)
        with self._lock, self._db:
            self.calls.append(call)
            fault = self._fault(call)
            reply = _instead(fault) or self._answer(call)
        body = reply.body if isinstance(reply.body, bytes) else dump(reply.body)
        kind = "text/html; charset=utf-8" if isinstance(reply.body, bytes) else "application/json"
        length = len(body)
        if fault is not None and fault.kind == "garbage":
            body = b"<html>Bad gateway</html>"
            length = len(body)
        if fault is not None and fault.kind == "lost_reply":
            body = body[: length // 2]
        status = HTTPStatus(reply.status)
        headers = {"Content-Type": kind, "Content-Length": str(length), **reply.headers}
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body]

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.method == call.method and call.path.startswith(_API):
                self.faults.remove(fault)
                return fault
        return None

    def _answer(self, call: Call) -> Reply:
        if call.path == "/" and call.method == "GET":
            return Reply(200, self._page())
        if call.path == "/connect/token" and call.method == "POST":
            return self._token(call)
        client = self._client(call)
        if client is None:
            return _problem(401, "Unauthorized", "AuthenticationUnsuccessful")
        org = organisation_id(client)
        if call.path.lower() == "/connections" and call.method == "GET":
            return Reply(200, [_connection(org)])
        if not call.path.startswith(_API):
            return _problem(404, "NotFound", "The resource you're looking for cannot be found")
        if call.headers.get("xero-tenant-id") != org:
            return _problem(403, "Forbidden", "AuthenticationUnsuccessful")
        return self._remembered(call, org)

    def _token(self, call: Call) -> Reply:
        form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        client = form.get("client_id", "")
        if form.get("grant_type") != "client_credentials":
            return Reply(400, {"error": "unsupported_grant_type"})
        if not client.startswith(CLIENT_PREFIX) or form.get("client_secret") != SECRET:
            return Reply(400, {"error": "invalid_client"})
        token = secrets.token_urlsafe(24)
        now = time.time()
        self._db.execute("DELETE FROM token WHERE ends < ?", (now,))
        self._db.execute("INSERT INTO token VALUES (?, ?, ?)", (token, client, now + TOKEN_SECONDS))
        return Reply(
            200,
            {
                "access_token": token,
                "expires_in": TOKEN_SECONDS,
                "token_type": "Bearer",
                "scope": "accounting.transactions accounting.contacts accounting.settings",
            },
        )

    def _client(self, call: Call) -> str | None:
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        row = self._db.execute(
            "SELECT client FROM token WHERE token = ? AND ends > ?", (token, time.time())
        ).fetchone()
        return row[0] if row and kind == "Bearer" else None

    def revoke_tokens(self) -> None:
        """Accept no access token that was given out."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM token")

    def forget_keys(self) -> None:
        """Let the minutes pass for which an Idempotency-Key is remembered."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM answer")

    def _remembered(self, call: Call, org: str) -> Reply:
        """Answer; to a repeat of an Idempotency-Key with the first answer."""
        key = call.headers.get("idempotency-key", "")
        if call.method == "GET" or not key:
            return self._resource(call, org)
        if len(key) > 128:
            return _problem(400, "BadRequest", "The Idempotency-Key is longer than 128 characters")
        digest = sha256(f"{call.method} {call.path}".encode() + call.body).hexdigest()
        now = time.time()
        self._db.execute("DELETE FROM answer WHERE ends < ?", (now,))
        known = self._db.execute(
            "SELECT digest, status, body FROM answer WHERE key = ?", (f"{org}{key}",)
        ).fetchone()
        if known is not None:
            if known[0] != digest:
                return _problem(400, "BadRequest", "The Idempotency-Key was used before")
            return Reply(known[1], json.loads(known[2], parse_float=Decimal))
        reply = self._resource(call, org)
        self._db.execute(
            "INSERT INTO answer VALUES (?, ?, ?, ?, ?)",
            (f"{org}{key}", digest, reply.status, dump(reply.body), now + IDEMPOTENCY_SECONDS),
        )
        return reply

    def _resource(self, call: Call, org: str) -> Reply:
        resource, _, key = call.path.removeprefix(_API).partition("/")
        if resource == "Organisation" and call.method == "GET":
            return _listing("Organisations", [_organisation(org)])
        if resource not in KINDS:
            return _problem(404, "NotFound", "The resource you're looking for cannot be found")
        if call.method == "GET":
            found = self._books.select(org, resource, call.query, unquote(key))
            if key and not found:
                return _problem(404, "NotFound", "The resource cannot be found")
            return _listing(resource, found)
        if call.method not in ("PUT", "POST"):
            return _problem(405, "MethodNotAllowed", call.method)
        try:
            given = json.loads(call.body or b"{}", parse_float=Decimal)
            items = given.get(resource, [given]) if isinstance(given, dict) else given
            saved = [
                self._books.write(
                    org,
                    resource,
                    item,
                    may_update=call.method == "POST",
                    decimals=4 if call.query.get("unitdp") == "4" else 2,
                )
                for item in items
            ]
        except Invalid as refusal:
            self._db.rollback()  # of several documents, all or none
            return _validation([refusal.element])
        except (ValueError, ArithmeticError, AttributeError, TypeError) as error:
            return _validation([{"ValidationErrors": [{"Message": f"Not understood: {error}"}]}])
        return _listing(resource, saved)

    def documents(self, kind: str) -> list[Document]:
        """Return what the books hold, oldest first: "Contacts" or "Invoices"."""
        return self._books.documents(kind)

    def change(self, kind: str, id: str, **fields: Any) -> None:
        """Edit a document as somebody in the Xero office would."""
        with self._lock, self._db:
            self._books.change(kind, id, fields)

    def _page(self) -> bytes:
        """Return the books for people to look at."""
        rows = "".join(
            f"<tr><td>{escape(str(one['InvoiceNumber']))}<td>{escape(one['Contact']['Name'])}"
            f"<td>{rules.iso_date(one['Date'])}<td>{escape(one['Status'])}"
            f"<td align=right>{one['Total']} {escape(one['CurrencyCode'])}"
            for one in reversed(self.documents("Invoices"))
        )
        contacts = len(self.documents("Contacts"))
        return (
            "<!doctype html><meta charset=utf-8><title>Simulated Xero</title>"
            "<style>body{font:15px system-ui;margin:2rem}td,th{padding:.3rem .8rem;text-align:left}"
            f"</style><h1>Simulated Xero</h1><p>{contacts} contacts. Invoices, newest first:"
            f"<table><tr><th>Number<th>Contact<th>Date<th>Status<th>Total{rows}</table>"
        ).encode()


def organisation_id(client: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"xero-simulator:{client}"))


def serve(simulator: Any, port: int, host: str = "127.0.0.1") -> WSGIServer:
    """Return a server bound to the port (0: any); ``serve_forever()`` runs it."""
    return make_server(host, port, simulator, server_class=_Server, handler_class=_Quiet)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def _read(environ: dict[str, Any]) -> Call:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return Call(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query={name: values[-1] for name, values in query.items()},
        headers=headers,
        body=environ["wsgi.input"].read(length),
    )


def _instead(fault: Fault | None) -> Reply | None:
    if fault is not None and fault.kind == "rate_limit":
        headers = {"Retry-After": str(fault.retry_after), "X-Rate-Limit-Problem": "minute"}
        return Reply(429, {"Detail": "Rate limit exceeded"}, headers)
    if fault is not None and fault.kind == "error":
        return _problem(500, "InternalServerError", "An error occurred in Xero")
    return None


def _listing(resource: str, documents: list[Document]) -> Reply:
    shown = [{key: value for key, value in one.items() if key != "org"} for one in documents]
    return Reply(
        200,
        {
            "Id": str(uuid4()),
            "Status": "OK",
            "ProviderName": "Xero simulator",
            "DateTimeUTC": rules.ms_date(datetime.now(UTC).isoformat()[:19]),
            resource: shown,
        },
    )


def _validation(elements: list[Document]) -> Reply:
    return Reply(
        400,
        {
            "ErrorNumber": 10,
            "Type": "ValidationException",
            "Message": "A validation exception occurred",
            "Elements": elements,
        },
    )


def _problem(status: int, title: str, detail: str) -> Reply:
    return Reply(status, {"Type": None, "Title": title, "Status": status, "Detail": detail})


def _connection(org: str) -> Document:
    now = datetime.now(UTC).isoformat()[:19]
    return {
        "id": str(uuid5(NAMESPACE_URL, org)),
        "authEventId": str(uuid5(NAMESPACE_URL, f"{org}/event")),
        "tenantId": org,
        "tenantType": "ORGANISATION",
        "tenantName": "Demo Company (simulated Xero)",
        "createdDateUtc": now,
        "updatedDateUtc": now,
    }


def _organisation(org: str) -> Document:
    return {
        "OrganisationID": org,
        "Name": "Demo Company (simulated Xero)",
        "BaseCurrency": "USD",
        "CountryCode": "US",
        "IsDemoCompany": True,
        "OrganisationStatus": "ACTIVE",
    }
