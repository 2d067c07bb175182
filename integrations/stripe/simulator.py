"""A Stripe account on this machine: the real paths, shapes and signatures, no Stripe account.

A WSGI application without Django. It keeps everything in one SQLite file, so a restart loses
nothing. ``manage.py stripe_simulator`` serves it; tests serve it in a thread and tell it to fail.
Every key ``sk_test_simulator...`` has an account of its own. Its payment page takes any card.
"""

import hmac
import json
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from urllib.request import Request, urlopen

from integrations.stripe import simulated_objects as objects
from integrations.xero.simulator import serve as serve  # one server for every simulator

KEY_PREFIX = "sk_test_simulator"
_TABLES = """
CREATE TABLE IF NOT EXISTS object (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    made INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, digest TEXT NOT NULL, body TEXT NOT NULL);
"""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    values: dict[str, str]  # of the query or the form
    headers: dict[str, str]
    base: str  # our own address


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Simulator:
    """The application, its books and a memory of what it was asked.

    ``faults`` names what goes wrong with the next calls, in order: ``rate_limit``, ``error`` and
    ``forbidden`` answer instead of acting, ``lost_reply`` acts and then breaks off. ``holds``
    keeps events back: ``held`` has them, for whoever delivers them late, twice or in another
    order.
    """

    folder: Path
    faults: list[str] = field(default_factory=list)
    holds: bool = False
    held: list[Object] = field(default_factory=list)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=500))
    _lock: Any = field(default_factory=threading.RLock)
    _db: Any = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.folder / "stripe.sqlite3", check_same_thread=False)
        self._db.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = _read(environ)
        with self._lock, self._db:
            self.calls.append(call)
            fault = self.faults.pop(0) if self.faults and call.path.startswith("/v1/") else ""
            reply = _instead(fault) or self._answer(call)
        is_page = isinstance(reply.body, bytes)
        body = reply.body if is_page else json.dumps(reply.body).encode()
        length = len(body)
        if fault == "lost_reply":
            body = body[: length // 2]
        status = HTTPStatus(reply.status)
        kind = "text/html; charset=utf-8" if is_page else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(length), **reply.headers}
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body]

    # --- What is asked ----------------------------------------------------------------------

    def _answer(self, call: Call) -> Reply:
        parts = call.path.strip("/").split("/")
        if parts[0] == "v1":
            return self._api(call, parts[1:])
        if parts[:2] == ["c", "pay"] and len(parts) == 3:
            return self._hosted(call, parts[2])
        if parts[0] == "desk" and call.method == "POST" and len(parts) == 3:
            return self._desk(call, parts[1], parts[2])
        return Reply(200, self._page())

    def _api(self, call: Call, parts: list[str]) -> Reply:
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        if not key.startswith(KEY_PREFIX):
            return _error(401, "invalid_request_error", "Invalid API Key provided")
        account = account_of(key)
        repeat = call.headers.get("idempotency-key", "")
        if call.method != "POST" or not repeat:
            return self._act(call, parts, account)
        digest = sha256(json.dumps([call.path, call.values]).encode()).hexdigest()
        known = self._db.execute(
            "SELECT digest, body FROM answer WHERE key = ?", [f"{account}/{repeat}"]
        ).fetchone()
        if known is not None and known[0] != digest:
            return _error(
                400, "idempotency_error", "Keys can only be used with the same parameters"
            )
        if known is not None:
            return Reply(200, json.loads(known[1]), {"Idempotent-Replayed": "true"})
        reply = self._act(call, parts, account)
        if reply.status == 200:
            row = [f"{account}/{repeat}", digest, json.dumps(reply.body)]
            self._db.execute("INSERT INTO answer VALUES (?, ?, ?)", row)
        return reply

    def _act(self, call: Call, parts: list[str], account: str) -> Reply:
        match [call.method, *parts]:
            case ["GET", "account"]:
                return Reply(200, objects.account(account))
            case ["GET", "webhook_endpoints"]:
                return _list(self.all(account, "webhook_endpoint"), "/v1/webhook_endpoints")
            case ["POST", "webhook_endpoints"]:
                made = objects.webhook_endpoint(call.values, f"whsec_{secrets.token_hex(16)}")
                return Reply(200, self.keep(account, made))
            case ["DELETE", "webhook_endpoints", id]:
                self._db.execute("DELETE FROM object WHERE id = ?", [id])
                return Reply(200, {"id": id, "object": "webhook_endpoint", "deleted": True})
            case ["POST", "checkout", "sessions"]:
                return self._open(call, account)
            case ["GET", "checkout", "sessions", id]:
                return self._shown(account, id)
            case ["POST", "checkout", "sessions", id, "expire"]:
                return self._close_page(account, id)
            case ["GET", "payment_intents", id]:
                return self._payment(account, id)
            case ["GET", "refunds"]:
                found = [
                    each
                    for each in self.all(account, "refund")
                    if each["payment_intent"] == call.values.get("payment_intent")
                ]
                return _list(found, "/v1/refunds")
            case ["GET", "disputes"]:
                found = [
                    each
                    for each in self.all(account, "dispute")
                    if each["payment_intent"] == call.values.get("payment_intent")
                ]
                return _list(found, "/v1/disputes")
            case ["POST", "refunds"]:
                return self._refund(account, call.values)
            case ["GET", "payouts", id]:
                return self._shown(account, id)
            case _:
                return _error(404, "invalid_request_error", "Unrecognized request URL")

    def _open(self, call: Call, account: str) -> Reply:
        units = call.values.get("line_items[0][price_data][unit_amount]", "")
        if not units.isdigit() or int(units) < 50:
            return _error(400, "invalid_request_error", "The amount must be at least 50 cents")
        session = objects.checkout_session(call.values, int(units), call.base)
        return Reply(200, self.keep(account, session))

    def _close_page(self, account: str, id: str) -> Reply:
        session = self.get(account, id)
        if session is None or session["status"] != "open":
            return _error(400, "invalid_request_error", "Only open sessions can be expired")
        session |= {"status": "expired", "url": None}
        self.keep(account, session)
        self._send_event(account, "checkout.session.expired", session)
        return Reply(200, session)

    def _payment(self, account: str, id: str) -> Reply:
        payment = self.get(account, id)
        if payment is None:
            return _missing(id)
        charge = self.get(account, payment["latest_charge"] or "")
        if charge is not None:
            balance = self.get(account, charge["balance_transaction"] or "")
            payment["latest_charge"] = {**charge, "balance_transaction": balance}
        return Reply(200, payment)

    def _refund(self, account: str, values: dict[str, str]) -> Reply:
        payment = self.get(account, values.get("payment_intent", ""))
        charge = self.get(account, payment["latest_charge"]) if payment else None
        if payment is None or charge is None:
            return _missing(values.get("payment_intent", ""))
        left = charge["amount"] - charge["amount_refunded"]
        units = int(values.get("amount", left))
        if not 0 < units <= left:
            return _error(400, "invalid_request_error", f"Refund amount is greater than {left}")
        refund = objects.refund(payment, charge, units)
        charge["amount_refunded"] += units
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self.keep(account, refund)
        self.keep(account, charge)
        self._send_event(account, "charge.refunded", charge)
        return Reply(200, refund)

    def _shown(self, account: str, id: str) -> Reply:
        found = self.get(account, id)
        return _missing(id) if found is None else Reply(200, found)

    # --- What people do on its pages --------------------------------------------------------

    def _hosted(self, call: Call, id: str) -> Reply:
        row = self._db.execute("SELECT account FROM object WHERE id = ?", [id]).fetchone()
        session = self.get(row[0], id) if row else None
        if row is None or session is None:
            return Reply(404, _html("No such page", ""))
        if call.method == "POST" and call.values.get("do") == "cancel":
            return Reply(303, b"", {"Location": session["cancel_url"]})
        if call.method == "POST" and session["status"] == "open":
            self.pay(row[0], id)
            return Reply(303, b"", {"Location": session["success_url"]})
        shown = objects.shown(session["amount_total"], session["currency"])
        if session["status"] != "open":
            return Reply(200, _html(f"This page is {session['status']}", ""))
        return Reply(
            200,
            _html(
                f"Pay {shown}",
                f"<p>{escape(session['metadata'].get('name', ''))}</p><form method='post'>"
                f"<button name='do' value='pay'>Pay {shown}</button> "
                "<button name='do' value='cancel'>Back</button></form>",
            ),
        )

    def pay(self, account: str, session_id: str, *, units: int | None = None) -> str:
        """Pay on an open page, as a customer does; returns the payment's id."""
        with self._lock, self._db:
            session = self.get(account, session_id)
            assert session is not None  # noqa: S101 - a test names a page that is there
            payment, charge, balance = objects.paid(session, units or session["amount_total"])
            session |= {
                "status": "complete", "payment_status": "paid", "payment_intent": payment["id"],
                "url": None,
            }  # fmt: skip
            for each in (payment, charge, balance, session):
                self.keep(account, each)
            self._send_event(account, "payment_intent.succeeded", payment)
            self._send_event(account, "checkout.session.completed", session)
            return str(payment["id"])

    def pay_out(self, account: str, units: int, currency: str, status: str = "paid") -> str:
        """Send what was collected to the bank; returns the payout's id."""
        with self._lock, self._db:
            payout = self.keep(account, objects.payout(units, currency, status))
            self._send_event(account, f"payout.{status}", payout)
            return str(payout["id"])

    def dispute(self, account: str, payment_id: str, *, fee: int = 1500) -> str:
        """Have the payer's bank take a payment back; returns the dispute's id."""
        with self._lock, self._db:
            payment = self.get(account, payment_id)
            charge = self.get(account, payment["latest_charge"]) if payment else None
            assert charge is not None  # noqa: S101 - a test names a payment that arrived
            made = self.keep(account, objects.dispute(charge, fee))
            self._send_event(account, "charge.dispute.created", made)
            return str(made["id"])

    def close_dispute(self, account: str, id: str, *, is_won: bool) -> None:
        """Decide a dispute; of one that is won the money comes back, the fee does not."""
        with self._lock, self._db:
            found = self.get(account, id)
            assert found is not None  # noqa: S101 - a test names a dispute that is there
            charge = self.get(account, found["charge"]) or {}
            moves = found["balance_transactions"]
            if is_won:
                moves = [*moves, objects.moved(charge, found["amount"], 0)]
            found |= {"status": "won" if is_won else "lost", "balance_transactions": moves}
            self.keep(account, found)
            self._send_event(account, "charge.dispute.closed", found)

    def _desk(self, call: Call, account: str, what: str) -> Reply:
        if what == "refund":
            self._refund(account, call.values)
        elif what == "dispute":
            self.dispute(account, call.values["payment_intent"])
        elif what in ("won", "lost"):
            self.close_dispute(account, call.values["dispute"], is_won=what == "won")
        else:
            nets: dict[str, int] = {}
            for each in self.all(account, "balance_transaction"):
                if each["status"] == "pending":
                    nets[each["currency"]] = nets.get(each["currency"], 0) + each["net"]
                    self.keep(account, {**each, "status": "available"})
            for currency, net in nets.items():
                self.pay_out(account, net, currency)
        return Reply(303, b"", {"Location": "/"})

    def _page(self) -> bytes:
        rows = self._db.execute(
            "SELECT account, body FROM object WHERE kind = 'charge' ORDER BY made DESC LIMIT 100"
        )
        found = [(account, json.loads(body)) for account, body in rows]
        lines = "".join(
            f"<tr><td>{escape(one['description'] or '')}</td>"
            f"<td>{objects.shown(one['amount'], one['currency'])}</td>"
            f"<td>{objects.shown(one['amount_refunded'], one['currency'])} back</td>"
            f"<td><form method='post' action='/desk/{account}/refund'>"
            f"<input type='hidden' name='payment_intent' value='{one['payment_intent']}'>"
            f"<button>Refund</button></form></td>"
            f"<td><form method='post' action='/desk/{account}/dispute'>"
            f"<input type='hidden' name='payment_intent' value='{one['payment_intent']}'>"
            f"<button>Dispute</button></form></td></tr>"
            for account, one in found
        )
        lines += "".join(
            f"<tr><td>{each['id']}</td><td colspan=4><form method='post'>"
            f"<input type='hidden' name='dispute' value='{each['id']}'>"
            f"<button formaction='/desk/{account}/won'>Won</button> "
            f"<button formaction='/desk/{account}/lost'>Lost</button></form></td></tr>"
            for account in sorted({account for account, _ in found})
            for each in self.all(account, "dispute")
            if each["status"] == "needs_response"
        )
        out = "".join(
            f"<form method='post' action='/desk/{account}/payout'><button>Pay out</button></form>"
            for account in sorted({account for account, _ in found})
        )
        return _html("Simulated Stripe", f"<table>{lines}</table>{out}")

    # --- Storage and events -----------------------------------------------------------------

    def keep(self, account: str, body: Object) -> Object:
        self._db.execute(
            "INSERT INTO object VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET body = excluded.body",
            [body["id"], account, body["object"], json.dumps(body), time.time_ns()],
        )
        return body

    def get(self, account: str, id: str) -> Object | None:
        row = self._db.execute(
            "SELECT body FROM object WHERE id = ? AND account = ?", [id, account]
        ).fetchone()
        found: Object | None = json.loads(row[0]) if row else None
        return found

    def all(self, account: str, kind: str) -> list[Object]:
        rows = self._db.execute(
            "SELECT body FROM object WHERE account = ? AND kind = ? ORDER BY made", [account, kind]
        )
        return [json.loads(row[0]) for row in rows]

    def _send_event(self, account: str, type: str, about: Object) -> None:
        event = objects.event(type, about)
        if self.holds:
            self.held.append(event)
            return
        for endpoint in self.all(account, "webhook_endpoint"):
            if type in endpoint["enabled_events"]:
                arguments = (endpoint["url"], event, endpoint["secret"])
                threading.Thread(target=deliver, args=arguments, daemon=True).start()


def signed(body: bytes, secret: str, at: float | None = None) -> str:
    """Return the signature header of an event's body."""
    stamp = int(time.time() if at is None else at)
    mark = hmac.new(secret.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
    return f"t={stamp},v1={mark}"


def deliver(url: str, event: Object, secret: str) -> None:
    """Send an event; tried a few times, as Stripe does for three days."""
    body = json.dumps(event).encode()
    for wait in (0, 1, 5, 30):
        time.sleep(wait)
        headers = {"Content-Type": "application/json", "Stripe-Signature": signed(body, secret)}
        try:
            with urlopen(Request(url, body, headers), timeout=10) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except OSError:
            continue


def _read(environ: dict[str, Any]) -> Call:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length).decode()
    query = environ.get("QUERY_STRING", "")
    values = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    base = f"http://{headers.get('host', '127.0.0.1')}"
    return Call(environ["REQUEST_METHOD"], environ["PATH_INFO"], dict(values), headers, base)


def _instead(fault: str) -> Reply | None:
    if fault == "rate_limit":
        reply = _error(429, "rate_limit_error", "Too many requests")
        return Reply(429, reply.body, {"Retry-After": "1"})
    if fault == "forbidden":
        return _error(403, "invalid_request_error", "The key has not the required permissions")
    if fault == "error":
        return _error(500, "api_error", "An unknown error occurred")
    return None


def _error(status: int, type: str, message: str) -> Reply:
    return Reply(status, {"error": {"type": type, "message": message}})


def _missing(id: str) -> Reply:
    return _error(404, "invalid_request_error", f"No such object: '{id}'")


def _list(rows: list[Object], url: str) -> Reply:
    hidden = [{key: value for key, value in row.items() if key != "secret"} for row in rows]
    return Reply(200, {"object": "list", "data": hidden, "has_more": False, "url": url})


def _html(title: str, body: str) -> bytes:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<meta name=viewport content='width=device-width'><style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui;max-width:640px;margin:60px auto;padding:0 16px;"
        "color:light-dark(#1b2433,#e6eaf2);background:light-dark(#fff,#11161f)}"
        "a{color:light-dark(#3538cd,#a4bcfd)}"
        "button{font:inherit;padding:8px 16px;border:1px solid light-dark(#8b95a7,#66728a);"
        "border-radius:8px;color:inherit;background:light-dark(#f3f5f9,#222b3b)}"
        "td{padding:6px 16px 6px 0}</style>"
        f"<h1>{title}</h1><p>Simulated; no money moves.</p>{body}</html>"
    ).encode()


def account_of(key: str) -> str:
    """Return the account a key opens."""
    return f"acct_{sha256(key.encode()).hexdigest()[:16]}"
