"""What the simulated Dropbox Sign holds: accounts, signature requests, and what happens to them."""

import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integrations.dropbox_sign.simulated_pdf import with_audit_trail

EMBEDDED_SECONDS = 3600
REMINDER_SECONDS = 3600
_TABLES = """
CREATE TABLE IF NOT EXISTS account (key TEXT PRIMARY KEY, callback_url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS request (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, document TEXT NOT NULL, file BLOB NOT NULL,
    embedded INTEGER NOT NULL, canceled INTEGER NOT NULL DEFAULT 0,
    file_ready INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS opened (token TEXT PRIMARY KEY, signature TEXT NOT NULL, ends REAL);
"""
Document = dict[str, Any]


class Problem(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name = status, name


class Desk:
    """Requests in a SQLite file. ``call_back(url, event)`` hears of every event."""

    def __init__(self, file: Path, call_back: Callable[[str, Document], None]) -> None:
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.executescript(_TABLES)
        self._call_back = call_back
        self._lock = threading.RLock()
        self.file_takes: float | None = None  # seconds; None: until ``prepare_file`` is called

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # --- Accounts ---------------------------------------------------------------------------

    def open_account(self, key: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO account VALUES (?, '')", (key,))

    def account(self, key: str) -> Document:
        return {
            "account_id": _digest("account", key),
            "email_address": "signatures@simulator.example",
            "is_locked": False,
            "is_paid_hs": True,
            "is_paid_hf": False,
            "role_code": "a",
            "locale": "en-US",
            "callback_url": None,
        }

    def app(self, key: str, client_id: str) -> Document:
        if client_id != client_id_of(key):
            raise Problem(404, "not_found", "No API app was found")
        (url,) = self._db.execute(
            "SELECT callback_url FROM account WHERE key = ?", (key,)
        ).fetchone()
        return {
            "client_id": client_id,
            "name": "Throughline (simulated Dropbox Sign)",
            "callback_url": url or None,
            "created_at": 1767225600,
            "domains": ["127.0.0.1"],
            "is_approved": True,
        }

    def set_callback_url(self, key: str, client_id: str, url: str) -> Document:
        self.app(key, client_id)
        self._db.execute("UPDATE account SET callback_url = ? WHERE key = ?", (url, key))
        return self.app(key, client_id)

    # --- Requests over the API --------------------------------------------------------------

    def create(self, key: str, given: Document, *, embedded: bool) -> Document:
        _check_given(given, embedded=embedded)
        request_id, now = secrets.token_hex(20), int(time.time())
        document = {
            "signature_request_id": request_id,
            "test_mode": bool(given.get("test_mode")),
            "title": given.get("title") or given.get("subject") or "",
            "original_title": given.get("title") or "",
            "subject": given.get("subject"),
            "message": given.get("message"),
            "metadata": given.get("metadata") or {},
            "created_at": now,
            "expires_at": given.get("expires_at"),
            "is_complete": False,
            "is_declined": False,
            "has_error": False,
            "requester_email_address": "signatures@simulator.example",
            "signing_url": None if embedded else f"https://app.hellosign.com/sign/{request_id}",
            "details_url": f"https://app.hellosign.com/home/manage?guid={request_id}",
            "files_url": f"https://api.hellosign.com/v3/signature_request/files/{request_id}",
            "cc_email_addresses": given.get("cc_email_addresses") or [],
            "custom_fields": [],
            "response_data": [],
            "signatures": [_signature(one) for one in given["signers"]],
        }
        self._db.execute(
            "INSERT INTO request (id, key, document, file, embedded) VALUES (?, ?, ?, ?, ?)",
            (request_id, key, json.dumps(document), given["files"][0], embedded),
        )
        self.emit(request_id, "signature_request_sent")
        return document

    def get(self, key: str, request_id: str) -> Document:
        document, row = self._find(request_id, key)
        if row["canceled"]:
            raise Problem(410, "deleted", "This resource has been deleted")
        return document

    def listing(self, key: str, query: dict[str, str]) -> Document:
        wanted = query.get("query", "").removeprefix("title:").strip('"').lower()
        rows = self._db.execute(
            "SELECT document FROM request WHERE key = ? AND canceled = 0 ORDER BY rowid DESC",
            (key,),
        )
        found = [one for one in map(_load, rows) if wanted in one["title"].lower()][:100]
        return {
            "signature_requests": found,
            "list_info": {
                "num_pages": 1,
                "num_results": len(found),
                "page": 1,
                "page_size": int(query.get("page_size", 20)),
            },
        }

    def cancel(self, key: str, request_id: str) -> None:
        document = self.get(key, request_id)
        if document["is_complete"]:
            raise Problem(400, "bad_request", "A completed signature request cannot be canceled")
        self._db.execute("UPDATE request SET canceled = 1 WHERE id = ?", (request_id,))
        self.emit(request_id, "signature_request_canceled")

    def remind(self, key: str, request_id: str, email: str) -> Document:
        document, row = self._find(request_id, key)
        if row["embedded"]:
            raise Problem(400, "bad_request", "Embedded signature requests cannot be reminded")
        for one in document["signatures"]:
            if one["signer_email_address"] == email and one["status_code"] != "signed":
                if (one["last_reminded_at"] or 0) > time.time() - REMINDER_SECONDS:
                    raise Problem(400, "bad_request", "A reminder was sent within the last hour")
                one["last_reminded_at"] = int(time.time())
                self._save(document)
                self.emit(request_id, "signature_request_remind", one["signature_id"])
                return document
        raise Problem(400, "bad_request", "No signer waits under that e-mail address")

    def file(self, key: str, request_id: str) -> bytes:
        self.get(key, request_id)
        document, row = self._find(request_id, key)
        if document["is_complete"] and not row["file_ready"]:
            raise Problem(409, "conflict", "The files are being prepared")
        if not document["is_complete"]:
            return bytes(row["file"])
        return _signed_copy(bytes(row["file"]), document)

    def embedded(self, key: str, signature_id: str, host: str) -> Document:
        document, one = self._by_signature(signature_id)
        _, row = self._find(document["signature_request_id"], key)
        if row["canceled"]:
            raise Problem(410, "deleted", "This resource has been deleted")
        if not row["embedded"]:
            raise Problem(404, "not_found", "This signature is not an embedded one")
        _check_turn(document, one)
        token, ends = secrets.token_hex(20), time.time() + EMBEDDED_SECONDS
        self._db.execute("INSERT INTO opened VALUES (?, ?, ?)", (token, signature_id, ends))
        url = f"http://{host}/sign/{signature_id}?token={token}"
        return {"sign_url": url, "expires_at": int(ends)}

    # --- What people do ---------------------------------------------------------------------

    def all(self) -> list[tuple[Document, bool]]:
        """Return every request with whether it is canceled, newest first."""
        rows = self._db.execute("SELECT document, canceled FROM request ORDER BY rowid DESC")
        return [(json.loads(text), bool(canceled)) for text, canceled in rows]

    def view(self, signature_id: str, token: str = "") -> Document:
        document, one = self._by_signature(signature_id)
        _, row = self._find(document["signature_request_id"])
        if row["canceled"]:
            raise Problem(410, "deleted", "This signature request was canceled.")
        if row["embedded"] and not self._is_open(token, signature_id):
            raise Problem(403, "forbidden", "This address does not work any more; open it anew.")
        one["last_viewed_at"] = int(time.time())
        self._save(document)
        self.emit(document["signature_request_id"], "signature_request_viewed", signature_id)
        return document

    def _is_open(self, token: str, signature_id: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM opened WHERE token = ? AND signature = ? AND ends > ?",
            (token, signature_id, time.time()),
        ).fetchone()
        return row is not None

    def sign(self, signature_id: str, at: int | None = None) -> None:
        with self._lock:
            document, one = self._by_signature(signature_id)
            _check_turn(document, one)
            request_id = document["signature_request_id"]
            if self._find(request_id)[1]["canceled"]:
                raise Problem(410, "deleted", "This signature request was canceled.")
            one["status_code"], one["signed_at"] = "signed", at or int(time.time())
            one["last_viewed_at"] = one["last_viewed_at"] or one["signed_at"]
            document["is_complete"] = all(
                other["status_code"] == "signed" for other in document["signatures"]
            )
            self._save(document)
        self.emit(request_id, "signature_request_signed", signature_id)
        if document["is_complete"]:
            self.emit(request_id, "signature_request_all_signed")
            if self.file_takes is not None:
                threading.Timer(self.file_takes, self.prepare_file, [request_id]).start()

    def prepare_file(self, request_id: str) -> None:
        """Finish the signed file, which takes a while after the last signature."""
        self._db.execute("UPDATE request SET file_ready = 1 WHERE id = ?", (request_id,))
        self.emit(request_id, "signature_request_downloadable")

    def decline(self, signature_id: str, reason: str) -> None:
        document, one = self._by_signature(signature_id)
        _check_turn(document, one)
        one["status_code"], one["decline_reason"] = "declined", reason[:1000]
        document["is_declined"] = True
        self._save(document)
        request_id = document["signature_request_id"]
        self.emit(request_id, "signature_request_declined", signature_id, reason)

    def reassign(self, signature_id: str, name: str, email: str) -> None:
        document, one = self._by_signature(signature_id)
        fresh = _signature({"name": name, "email_address": email, "order": one["order"]})
        fresh["reassigned_by"] = one["signer_email_address"]
        fresh["reassigned_from"] = one["signature_id"]
        document["signatures"][document["signatures"].index(one)] = fresh
        self._save(document)
        request_id = document["signature_request_id"]
        self.emit(request_id, "signature_request_reassigned", fresh["signature_id"])

    def expire(self, request_id: str) -> None:
        document, _ = self._find(request_id)
        for one in document["signatures"]:
            if one["status_code"] == "awaiting_signature":
                one["status_code"] = "expired"
        self._save(document)
        self.emit(request_id, "signature_request_expired")

    def fail(self, request_id: str, words: str) -> None:
        """Meet an error with a request, as with a file that cannot be converted."""
        document, _ = self._find(request_id)
        document["has_error"] = True
        document["signatures"][0]["error"] = words
        document["signatures"][0]["status_code"] = "error_file"
        self._save(document)
        self.emit(request_id, "file_error", message=words)

    def emit(
        self, request_id: str, type: str, signature_id: str = "", message: str = ""
    ) -> Document:
        """Tell the app's callback address that something happened; returns what is sent."""
        document, row = self._find(request_id)
        found = self._db.execute(
            "SELECT callback_url FROM account WHERE key = ?", (row["key"],)
        ).fetchone()
        event = callback(row["key"], type, signature_id=signature_id, message=message)
        event["signature_request"] = document
        self._call_back(found[0] if found else "", event)
        return event

    # --- Rows -------------------------------------------------------------------------------

    def _find(self, request_id: str, key: str | None = None) -> tuple[Document, dict[str, Any]]:
        found = self._db.execute(
            "SELECT document, key, file, embedded, canceled, file_ready FROM request WHERE id = ?",
            (request_id,),
        ).fetchone()
        if found is None or key not in (None, found[1]):
            raise Problem(404, "not_found", "Not found")
        names = ("key", "file", "embedded", "canceled", "file_ready")
        return json.loads(found[0]), dict(zip(names, found[1:], strict=True))

    def _by_signature(self, signature_id: str) -> tuple[Document, Document]:
        for document, _ in self.all():
            for one in document["signatures"]:
                if one["signature_id"] == signature_id:
                    return document, one
        raise Problem(404, "not_found", "There is no such signature.")

    def _save(self, document: Document) -> None:
        self._db.execute(
            "UPDATE request SET document = ? WHERE id = ?",
            (json.dumps(document), document["signature_request_id"]),
        )


def client_id_of(key: str) -> str:
    """Return the client id of a key's one API app."""
    return _digest("app", key)


def callback(key: str, type: str, *, signature_id: str = "", message: str = "") -> Document:
    """Return an event signed with the API key, as Dropbox Sign signs it."""
    moment = str(int(time.time()))
    digest = hmac.new(key.encode(), f"{moment}{type}".encode(), hashlib.sha256).hexdigest()
    return {
        "account_guid": _digest("account", key),
        "event": {
            "event_time": moment,
            "event_type": type,
            "event_hash": digest,
            "event_metadata": {
                "related_signature_id": signature_id or None,
                "reported_for_account_id": _digest("account", key),
                "reported_for_app_id": client_id_of(key),
                "event_message": message or None,
            },
        },
    }


def _digest(kind: str, key: str) -> str:
    return hashlib.sha256(f"{kind} of {key}".encode()).hexdigest()[:40]


def _load(row: tuple[str]) -> Document:
    found: Document = json.loads(row[0])
    return found


def _check_given(given: Document, *, embedded: bool) -> None:
    signers = given.get("signers") or []
    if not signers:
        raise Problem(400, "bad_request", "At least one signer must be specified")
    for one in signers:
        if not one.get("name") or "@" not in str(one.get("email_address")):
            raise Problem(400, "bad_request", "Every signer needs a name and an email_address")
    if not given.get("files"):
        raise Problem(400, "bad_request", "A file must be specified")
    if embedded and not given.get("client_id"):
        raise Problem(400, "bad_request", "client_id is needed for embedded requests")
    expires_at = given.get("expires_at")
    if expires_at is not None and int(expires_at) <= time.time():
        raise Problem(400, "bad_request", "expires_at must be in the future")


def _check_turn(document: Document, one: Document) -> None:
    if document["is_declined"] or one["status_code"] != "awaiting_signature":
        raise Problem(400, "bad_request", "There is nothing left to sign.")
    for other in document["signatures"]:
        if (other["order"] or 0) < (one["order"] or 0) and other["status_code"] != "signed":
            raise Problem(400, "bad_request", "It is another signer's turn.")


def _signature(signer: Document) -> Document:
    return {
        "signature_id": secrets.token_hex(16),
        "signer_email_address": signer["email_address"],
        "signer_name": signer["name"],
        "signer_role": None,
        "order": signer.get("order"),
        "status_code": "awaiting_signature",
        "signed_at": None,
        "last_viewed_at": None,
        "last_reminded_at": None,
        "has_pin": False,
        "has_sms_auth": False,
        "has_sms_delivery": False,
        "error": None,
    }


def _signed_copy(file: bytes, document: Document) -> bytes:
    lines = [
        "Audit trail (simulated Dropbox Sign)",
        "",
        f"Title: {document['title']}",
        f"Document ID: {document['signature_request_id']}",
        f"SHA-256 of what was sent: {hashlib.sha256(file).hexdigest()}",
        "",
    ]
    for one in document["signatures"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(one["signed_at"]))
        lines.append(f"Signed by {one['signer_name']} ({one['signer_email_address']}) on {when}")
    return with_audit_trail(file, lines)
