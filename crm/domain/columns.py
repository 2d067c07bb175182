"""The columns of each kind of CRM record: one list for what goes out and what comes in."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import NotExact, exact_decimal

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")


class RowInvalid(ValueError):
    """A row cannot be taken in; ``field`` says where."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field, self.reason = field, reason


Reader = Callable[[str], Any]


def text(limit: int) -> Reader:
    def read(value: str) -> str:
        if len(value) > limit:
            raise ValueError(f"has more than {limit} characters")
        if "\x00" in value:
            raise ValueError("has a NUL character")
        return value

    return read


def email(value: str) -> str:
    if value and (len(value) > 254 or not _EMAIL.fullmatch(value)):
        raise ValueError("is not an e-mail address")
    return value


def number(places: int, at_most: int = 10**15) -> Reader:
    def read(value: str) -> Decimal | None:
        if not value:
            return None
        try:
            found = exact_decimal(value)
        except NotExact as error:
            raise ValueError(str(error)) from None
        if not 0 <= found <= at_most or found == 10**15:
            raise ValueError(f"must be from 0 to {at_most if at_most < 10**15 else '10^15'}")
        if found != found.quantize(Decimal(1).scaleb(-places)):
            raise ValueError(f"must have at most {places} decimal places")
        return found

    return read


def whole(value: str) -> int | None:
    if not value:
        return None
    if not re.fullmatch(r"[0-9]{1,3}", value) or int(value) > 365:
        raise ValueError("must be a whole number from 0 to 365")
    return int(value)


def day(value: str) -> date | None:
    if not value:
        return None
    try:
        found = date.fromisoformat(value[:10] if "T" in value else value)
    except ValueError:
        raise ValueError("must be a date like 2026-01-31") from None
    if not 1970 <= found.year <= 2199:
        raise ValueError("must be from 1970 to 2199")
    return found


def yes_or_no(value: str) -> bool | None:
    if not value:
        return None
    if value.lower() not in ("yes", "no", "true", "false", "1", "0"):
        raise ValueError("must be yes or no")
    return value.lower() in ("yes", "true", "1")


def one_of(*choices: str) -> Reader:
    def read(value: str) -> str | None:
        if not value:
            return None
        if value.lower() not in choices:
            raise ValueError(f"must be {', '.join(choices[:-1])} or {choices[-1]}")
        return value.lower()

    return read


def code(length: int) -> Reader:
    def read(value: str) -> str:
        if value and not re.fullmatch(rf"[A-Za-z]{{{length}}}", value):
            raise ValueError(f"must be a code of {length} letters")
        return value.upper()

    return read


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    :param is_required: a new record needs it.
    :param keeps_blank: a blank cell leaves what is there; otherwise it empties it.
    :param is_shown: goes out only; what is here decides, coming in it is passed over.
    :param known_as: how CRMs call it, in lower case, for guessing.
    """

    name: str
    read: Reader
    is_required: bool = False
    keeps_blank: bool = False
    is_shown: bool = False
    known_as: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        if self.name == "id":
            return "Our ID"
        return self.name.replace("_", " ").capitalize().replace(" id", " ID")


def _needed(name: str, read: Reader, known_as: tuple[str, ...]) -> Column:
    return Column(name, read, is_required=True, keeps_blank=True, known_as=known_as)


def _names(*known_as: str) -> tuple[Column, Column]:
    return (
        Column("external_id", text(200), known_as=("id", "record id", "crm id", *known_as)),
        Column("id", text(36), known_as=("throughline id",)),
    )


_ACCOUNT = _needed(
    "account", text(200), known_as=("account id", "company id", "associated company id")
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "accounts": (
        *_names("account id", "company id"),
        _needed("name", text(200), known_as=("account name", "company name", "company")),
        Column("legal_name", text(200)),
        Column("currency", code(3), keeps_blank=True, known_as=("account currency",)),
        Column("country", code(2), known_as=("billing country code", "country code")),
        Column("address", text(2000), known_as=("billing address", "billing street")),
        Column("time_zone", text(63), keeps_blank=True),
        Column("payment_terms_days", whole, keeps_blank=True, known_as=("payment terms",)),
        Column("tax_id", text(40), known_as=("vat number", "vat id")),
        Column("tax_treatment", one_of("taxable", "exempt", "reverse_charge"), keeps_blank=True),
        Column("tax_name", text(40)),
        Column("tax_percent", number(6, 100), keeps_blank=True),
        Column("purchase_order", text(60)),
    ),
    "contacts": (
        *_names("contact id"),
        _ACCOUNT,
        _needed("name", text(200), known_as=("full name", "contact name")),
        _needed("email", email, known_as=("email address", "e mail")),
        Column("is_primary", yes_or_no, keeps_blank=True, known_as=("primary",)),
    ),
    "opportunities": (
        *_names("opportunity id", "deal id"),
        _ACCOUNT,
        _needed("name", text(200), known_as=("opportunity name", "deal name")),
        Column("stage", text(80), known_as=("stage name", "deal stage", "stagename")),
        Column("amount", number(4), known_as=("deal amount",)),
        Column("currency", code(3), keeps_blank=True, known_as=("currency iso code",)),
        Column("close_on", day, known_as=("close date", "closedate")),
        Column("owner", text(200), known_as=("owner name", "opportunity owner", "deal owner")),
        Column("outcome", one_of("open", "won", "lost"), keeps_blank=True),
    ),
    "quotes": (
        *_names("quote id"),
        Column("number", text(20), keeps_blank=True, known_as=("quote number",)),
        Column("account", text(200), keeps_blank=True, known_as=("account id",)),
        Column("opportunity", text(200), known_as=("opportunity id", "deal id")),
        _needed("title", text(200), known_as=("quote name", "name")),
        _needed("start_on", day, known_as=("start date",)),
        Column("expires_on", day, keeps_blank=True, known_as=("expiration date", "expiry date")),
        Column("legal_entity", text(12), keeps_blank=True, known_as=("seller", "subsidiary")),
        Column("currency", code(3), keeps_blank=True, known_as=("currency iso code",)),
        Column("purchase_order", text(60), known_as=("po number",)),
        Column("template", text(120), keeps_blank=True),
        Column("status", text(40), is_shown=True),
        Column("version", text(10), is_shown=True),
        Column("total_contract_value", text(40), is_shown=True),
        Column("annual_contract_value", text(40), is_shown=True),
        Column("signed_on", text(10), is_shown=True),
    ),
}


# What a quote is made of goes out only: the builder and templates make it here.
QUOTE_LINES = (
    "quote", "number", "version", "status", "position", "phase", "start_on", "end_on", "item",
    "product", "name", "kind", "model", "quantity", "frequency", "timing", "currency", "amount",
)  # fmt: skip


def header_of(kind: str) -> list[str]:
    """Return the columns a file of this kind goes out with."""
    if kind == "quote_lines":
        return list(QUOTE_LINES)
    return [column.name for column in COLUMNS[kind]]


def guess(kind: str, header: Sequence[str]) -> dict[str, str]:
    """Guess which column of a file fills which field: {field: column}; a person confirms it.

    >>> guess("contacts", ["Id", "AccountId", "Email Address"])
    {'external_id': 'Id', 'account': 'AccountId', 'email': 'Email Address'}
    """
    plain = {_plain(name): name for name in reversed(header) if name}
    columns = [column for column in COLUMNS[kind] if not column.is_shown]
    found = {column.name: column.name for column in columns if column.name in header}
    for column in columns:
        names = (column.name, *column.known_as)
        free = (plain.get(_plain(name)) for name in names)
        hit = next((one for one in free if one and one not in found.values()), None)
        if hit and column.name not in found:
            found[column.name] = hit
    order = [column.name for column in columns]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


def _plain(name: str) -> str:
    """Write a column's name as letters and digits alone: "Account ID" and "AccountId" are one."""
    return _NOT_A_NAME.sub("", name.lower())


def read_row(
    kind: str, mapping: Mapping[str, str], header: Sequence[str], cells: Sequence[str]
) -> dict[str, Any]:
    """Read a row as the fields it gives; blank cells of what cannot be empty are left out.

    :param mapping: field -> column.
    :raises RowInvalid: naming the field.
    """
    if len(cells) != len(header):
        raise RowInvalid("", f"has {len(cells)} cells, the header has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    found: dict[str, Any] = {}
    for column in COLUMNS[kind]:
        if column.is_shown or column.name not in mapping:
            continue
        cell = cell_in(row[mapping[column.name]])
        try:
            value = column.read(cell)
        except ValueError as error:
            raise RowInvalid(column.name, str(error)) from None
        if not cell and column.keeps_blank:
            continue
        found[column.name] = value
    if not found.get("external_id") and not found.get("id") and not found.get("number"):
        raise RowInvalid("external_id", "is missing, and there is no id of ours instead")
    return found


def cell_out(value: str) -> str:
    """Write text so that no spreadsheet runs it as a formula; ``cell_in`` takes it back.

    >>> cell_out("=1+1"), cell_in(cell_out("=1+1")), cell_in(cell_out("'=1"))
    ("'=1+1", '=1+1', "'=1")
    """
    return f"'{value}" if _FORMULA.match(value) else value


def cell_in(cell: str) -> str:
    """Read a cell that ``cell_out`` or a spreadsheet wrote."""
    cell = cell.strip(" ")
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
