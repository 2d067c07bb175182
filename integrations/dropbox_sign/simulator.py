"""A Dropbox Sign on this machine: the real paths, rules and words, no account.

A WSGI application without Django. It keeps its requests in one SQLite file. Every API key named
``simulator-...`` is an account with an API app of its own. ``manage.py dropbox_sign_simulator``
serves it and delivers its callbacks; tests serve it in a thread, deliver them as they like, late,
twice or in another order, and tell it to fail.
"""

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIServer

from integrations.dropbox_sign import simulated_pages
from integrations.dropbox_sign.simulated_desk import Desk, Problem
from integrations.xero.simulator import serve as serve_wsgi

KEY_PREFIX = "simulator"
_API = "/v3/"
MAX_BODY = 50 * 1024 * 1024


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
    """What goes wrong with the next call whose path contains ``path``: for tests.

    ``rate_limit`` and ``error`` answer instead of acting; ``garbage`` and ``lost_reply`` act,
    then answer nonsense or break off.
    """

    kind: str  # rate_limit, error, garbage, lost_reply
    path: str = "/v3/"
    retry_after: int = 1


class Simulator:
    """The application, what it was asked, and the callbacks that wait to be delivered."""

    def __init__(self, folder: Path, deliver: Callable[[str, dict[str, Any]], None] | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.calls: deque[Call] = deque(maxlen=500)
        self.faults: list[Fault] = []
        self.callbacks: list[dict[str, Any]] = []  # every event, in the order it happened
        self._deliver = deliver
        self._lock = threading.RLock()
        self.desk = Desk(folder / "dropbox_sign.sqlite3", self._call_back)

    def close(self) -> None:
        with self._lock:
            self.desk.close()

    def _call_back(self, url: str, event: dict[str, Any]) -> None:
        self.callbacks.append(event)
        if self._deliver is not None and url:
            self._deliver(url, event)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = _read(environ)
        with self._lock:
            self.calls.append(call)
            fault = self._fault(call)
            reply = _instead(fault) or self._answer(call)
        raw = isinstance(reply.body, bytes)
        body = reply.body if raw else json.dumps(reply.body).encode()
        length = len(body)
        if fault is not None and fault.kind == "garbage":
            body = b'{"signature_request": [1, 2'
            length = len(body)
        if fault is not None and fault.kind == "lost_reply":
            body = body[: length // 2]
        status = HTTPStatus(reply.status)
        kind = "text/html; charset=utf-8" if raw else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(length), **reply.headers}
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body]

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if call.path.startswith(_API) and fault.path in call.path:
                self.faults.remove(fault)
                return fault
        return None

    def _answer(self, call: Call) -> Reply:
        if not call.path.startswith(_API):
            return self._page(call)
        key = _api_key(call)
        if not key.startswith(KEY_PREFIX):
            return _problem(Problem(401, "unauthorized", "Unauthorized api key"))
        self.desk.open_account(key)
        try:
            return self._resource(call, key, call.path.removeprefix(_API))
        except Problem as problem:
            return _problem(problem)

    def _resource(self, call: Call, key: str, path: str) -> Reply:
        desk, last = self.desk, path.rpartition("/")[2]
        match call.method, path.removesuffix(last), last:
            case "GET", "", "account":
                return Reply(200, {"account": desk.account(key)})
            case "GET", "api_app/", client_id:
                return Reply(200, {"api_app": desk.app(key, client_id)})
            case "PUT", "api_app/", client_id:
                url = str(_body(call).get("callback_url") or "")
                return Reply(200, {"api_app": desk.set_callback_url(key, client_id, url)})
            case "POST", "signature_request/", "send" | "create_embedded":
                made = desk.create(key, _body(call), embedded=last == "create_embedded")
                return Reply(200, {"signature_request": made})
            case "GET", "signature_request/", "list":
                return Reply(200, desk.listing(key, call.query))
            case "GET", "signature_request/", request_id:
                return Reply(200, {"signature_request": desk.get(key, request_id)})
            case "GET", "signature_request/files/", request_id:
                return Reply(200, desk.file(key, request_id), {"Content-Type": "application/pdf"})
            case "POST", "signature_request/cancel/", request_id:
                desk.cancel(key, request_id)
                return Reply(200, b"", {"Content-Type": "application/json"})
            case "POST", "signature_request/remind/", request_id:
                email = str(_body(call).get("email_address") or "")
                return Reply(200, {"signature_request": desk.remind(key, request_id, email)})
            case "GET", "embedded/sign_url/", signature_id:
                host = call.headers.get("host", "127.0.0.1")
                return Reply(200, {"embedded": desk.embedded(key, signature_id, host)})
        return _problem(Problem(404, "not_found", "Not found"))

    def _page(self, call: Call) -> Reply:
        """Show people what it holds, and let them sign."""
        try:
            if call.path == "/" and call.method == "GET":
                return Reply(200, simulated_pages.listing(self.desk.all()))
            kind, _, signature_id = call.path.strip("/").partition("/")
            if kind == "sign" and call.method == "GET":
                found = self.desk.view(signature_id, call.query.get("token", ""))
                return Reply(200, simulated_pages.signing(found, signature_id))
            if kind == "sign" and call.method == "POST":
                form = {name: one[0] for name, one in parse_qs(call.body.decode()).items()}
                if form.get("action") == "decline":
                    self.desk.decline(signature_id, form.get("reason", ""))
                elif form.get("action") == "sign":
                    self.desk.sign(signature_id)
                return Reply(200, simulated_pages.done(form.get("action") == "sign"))
        except Problem as problem:
            return Reply(problem.status, simulated_pages.problem(str(problem)))
        return Reply(404, simulated_pages.problem("There is no such page."))


def _read(environ: dict[str, Any]) -> Call:
    length = min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BODY)
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return Call(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query={name: one[0] for name, one in parse_qs(environ.get("QUERY_STRING", "")).items()},
        headers=headers,
        body=environ["wsgi.input"].read(length) if length else b"",
    )


def _api_key(call: Call) -> str:
    kind, _, text = call.headers.get("authorization", "").partition(" ")
    try:
        return base64.b64decode(text).decode().partition(":")[0] if kind == "Basic" else ""
    except ValueError:
        return ""


def read_parts(call: Call) -> dict[str, Any]:
    """Return the parts of a multipart body: text read as JSON where it is, files as bytes."""
    head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + call.body)
    parts: dict[str, Any] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = bytes(part.get_payload(decode=True) or b"")
        if part.get_filename() is not None:
            parts.setdefault("files", []).append(content)
            continue
        text = content.decode()
        try:
            parts[name] = json.loads(text)
        except ValueError:
            parts[name] = text
    return parts


def _body(call: Call) -> dict[str, Any]:
    if call.headers["content-type"].startswith("multipart/form-data"):
        return read_parts(call)
    try:
        found = json.loads(call.body or b"{}")
    except ValueError:
        raise Problem(400, "bad_request", "The body is not JSON") from None
    return found if isinstance(found, dict) else {}


def _instead(fault: Fault | None) -> Reply | None:
    if fault is not None and fault.kind == "rate_limit":
        reset = str(int(time.time()) + fault.retry_after)
        problem = Problem(429, "exceeded_rate", "You have exceeded your rate limit")
        return Reply(429, _problem(problem).body, {"X-Ratelimit-Reset": reset})
    if fault is not None and fault.kind == "error":
        return Reply(503, b"<html>Service unavailable</html>")
    return None


def _problem(problem: Problem) -> Reply:
    error = {"error_msg": str(problem), "error_name": problem.name}
    return Reply(problem.status, {"error": error})


def serve(simulator: Simulator, port: int, host: str = "127.0.0.1") -> WSGIServer:
    """Return a server bound to the port (0: any); ``serve_forever()`` runs it."""
    return serve_wsgi(simulator, port, host)
