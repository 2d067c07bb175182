"""The books of the simulated organisations: documents in SQLite, written by Xero's rules."""

import json
import re
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from integrations.xero import simulated_rules as rules
from integrations.xero.simulated_rules import Document

# kind -> (its id, the name it is found by)
KINDS = {"Contacts": ("ContactID", "ContactNumber"), "Invoices": ("InvoiceID", "InvoiceNumber")}
GONE = ("VOIDED", "DELETED")
TABLES = """
CREATE TABLE IF NOT EXISTS document (
    id TEXT PRIMARY KEY, org TEXT NOT NULL, kind TEXT NOT NULL, number TEXT NOT NULL,
    name TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS document_by_number ON document (org, kind, number);
CREATE INDEX IF NOT EXISTS document_by_name ON document (org, kind, name);
"""
_WHERE = re.compile(r'^\s*(\w+)\s*==\s*"(.*)"\s*$')


class Invalid(Exception):
    """The request is refused: status 400 and these words."""

    def __init__(self, element: Document, errors: list[str]) -> None:
        super().__init__(*errors)
        self.element = {**element, "ValidationErrors": _messages(errors)}


class Books:
    """What the simulated organisations hold. The caller serializes access."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(TABLES)

    def documents(self, kind: str, org: str | None = None) -> list[Document]:
        """Return everything of a kind, oldest first."""
        return self._read("kind = ? AND (? IS NULL OR org = ?)", kind, org, org)

    def select(self, org: str, kind: str, query: dict[str, str], key: str = "") -> list[Document]:
        """Return what a GET asks for: by id or number in the path, or by the query's filters."""
        id_field, number_field = KINDS[kind]
        conditions, values = ["org = ?", "kind = ?"], [org, kind]
        if key:
            conditions.append("(id = ? OR number = ?)")
            values += [key, key]
        for column, name in (("id", "IDs"), ("number", "InvoiceNumbers")):
            wanted = [one for one in query.get(name, "").split(",") if one]
            if wanted:
                conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        where = _WHERE.match(query.get("where", ""))
        if where is not None and where[1] in (id_field, number_field):
            conditions.append(f"{'id' if where[1] == id_field else 'number'} = ?")
            values.append(where[2])
        found = self._read(" AND ".join(conditions), *values)
        if where is None:
            return found
        return [one for one in found if str(one.get(where[1], "")) == where[2]]

    def write(
        self, org: str, kind: str, given: Document, *, may_update: bool, decimals: int
    ) -> Document:
        """Create a document; with ``may_update`` (a POST) change the one that matches.

        :raises Invalid: in Xero's words.
        """
        if kind == "Contacts":
            return self._write_contact(org, given, may_update=may_update)
        return self._write_invoice(org, given, may_update=may_update, decimals=decimals)

    def change(self, kind: str, id: str, fields: Document) -> None:
        """Edit a document as somebody in the Xero office would."""
        (found,) = self._read("kind = ? AND id = ?", kind, id)
        self._save(kind, found | fields)

    def _write_contact(self, org: str, given: Document, *, may_update: bool) -> Document:
        name = str(given.get("Name") or "")
        named = self._read("org = ? AND kind = 'Contacts' AND name = ?", org, name.lower())
        mine: Document = {}
        if may_update:
            keys = [str(given.get(name) or "") for name in KINDS["Contacts"]]
            known = [one for key in keys if key for one in self.select(org, "Contacts", {}, key)]
            mine = (known + named or [{}])[0]
        errors = rules.contact_errors(
            given,
            holder_of_name=named[0]["ContactID"] if named else None,
            own_id=mine.get("ContactID"),
        )
        if errors:
            raise Invalid(given, errors)
        fresh = {"ContactID": mine.get("ContactID") or str(uuid4()), "ContactStatus": "ACTIVE"}
        return self._save("Contacts", mine | given | fresh | {"org": org})

    def _write_invoice(
        self, org: str, given: Document, *, may_update: bool, decimals: int
    ) -> Document:
        number = str(given.get("InvoiceNumber") or f"INV-{uuid4().hex[:6].upper()}")
        known = self.select(org, "Invoices", {"InvoiceNumbers": number})
        standing = [one for one in known if one["Status"] not in GONE]
        mine = standing[0] if may_update and standing else {}
        wanted: Document = {"Status": "DRAFT", "CurrencyCode": "USD"} | mine | given
        wanted["InvoiceNumber"] = number
        contact_id = str((wanted.get("Contact") or {}).get("ContactID") or "")
        contacts = self.select(org, "Contacts", {}, contact_id) if contact_id else []
        errors = rules.invoice_errors(
            wanted, contact_is_known=bool(contacts), number_taken=bool(standing) and not mine
        )
        wanted["LineItems"], bad_lines = _checked_lines(wanted, decimals)
        result = rules.computed(wanted, decimals=decimals)
        errors += rules.total_errors(given, result)
        if errors or bad_lines:
            raise Invalid(wanted, errors)
        for name in ("Date", "DueDate"):
            result[name] = rules.ms_date(rules.iso_date(result.get(name)) or _now()[:10])
        result["Contact"] = {key: contacts[0][key] for key in ("ContactID", "Name")}
        result["InvoiceID"] = mine.get("InvoiceID") or str(uuid4())
        return self._save("Invoices", result | {"org": org})

    def _read(self, condition: str, *values: str | None) -> list[Document]:
        sql = f"SELECT body FROM document WHERE {condition} ORDER BY rowid"  # noqa: S608 - constants
        rows = self._db.execute(sql, values)
        return [json.loads(body, parse_float=Decimal) for (body,) in rows]

    def _save(self, kind: str, document: Document) -> Document:
        id_field, number_field = KINDS[kind]
        stored = {**document, "UpdatedDateUTC": rules.ms_date(_now())}
        self._db.execute(
            "INSERT INTO document (id, org, kind, number, name, body) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE"
            " SET number = excluded.number, name = excluded.name, body = excluded.body",
            (
                stored[id_field],
                stored["org"],
                kind,
                str(stored.get(number_field, "")),
                str(stored.get("Name", "")).lower(),
                dump(stored).decode(),
            ),
        )
        return stored


def dump(value: Any) -> bytes:
    """Return JSON. Amounts are JSON numbers, as Xero's: two decimals survive a binary double."""
    return json.dumps(value, default=float).encode()


def _checked_lines(invoice: Document, decimals: int) -> tuple[list[Document], bool]:
    approved = invoice["Status"] == "AUTHORISED"
    lines, bad = [], False
    for line in invoice.get("LineItems") or []:
        errors = rules.line_errors(line, approved=approved, decimals=decimals)
        bad = bad or bool(errors)
        lines.append({**line, "ValidationErrors": _messages(errors)} if errors else line)
    return lines, bad


def _messages(errors: list[str]) -> list[Document]:
    return [{"Message": error} for error in errors]


def _now() -> str:
    return datetime.now(UTC).isoformat()[:19]
