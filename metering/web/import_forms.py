"""Which column fills which field, asked field by field and written in the mapping's language."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from monetization.interface.forms import PageForm

MAX_COLUMNS = 60
MAX_UPLOAD = 2 * 1024**3
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_ID = re.compile(r"\A(event_?|message_?|transaction_?)?(id|uuid|key)\Z", re.IGNORECASE)
_CUSTOMER = re.compile(r"customer|account|acct|client|tenant|subject|alias|org", re.IGNORECASE)
_TIME = re.compile(r"time|date|hour|day|_at\Z|\Ats\Z", re.IGNORECASE)
_TYPE = re.compile(r"\A(event_?)?(type|kind|name)\Z", re.IGNORECASE)
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", re.ASCII)
# Counts since 1970 that are moments between 2001 and 2033.
_COUNTED = (("1", re.compile(r"1\d{9}", re.ASCII)), ("1000", re.compile(r"1\d{12}", re.ASCII)))
_NONE_CHOSEN = {
    "customer": "Choose a column",
    "time": "Choose a column",
    "type_column": "The same for every row",
}
TIME_FORMATS = (
    ("written", "Date and time (ISO 8601)"),
    ("1", "Seconds since 1970"),
    ("1000", "Milliseconds since 1970"),
)


class UploadForm(PageForm):
    """A file of usage events."""

    file = forms.FileField(
        label="File",
        allow_empty_file=False,
        help_text="CSV with a header line, NDJSON (a JSON object per line) or Parquet. CSV and "
        "NDJSON in UTF-8, plain or gzip; CSV up to 2 GB, the others up to 200 MB. "
        "Larger files go through the import_usage command.",
        widget=forms.ClearableFileInput(
            attrs={"accept": ".csv,.gz,.ndjson,.jsonl,.parquet,text/csv"}
        ),
    )
    source = forms.CharField(
        max_length=200,
        initial="import",
        help_text="Where the events come from. Source and id together identify an event: "
        "importing a file again under the same source counts nothing twice.",
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_UPLOAD:
            raise forms.ValidationError(
                "The file has more than 2 GB; use the import_usage command."
            )
        return file


def usable(header: Sequence[str]) -> list[str]:
    """Return the columns that can be chosen: named once, without braces or line breaks."""
    return [
        name
        for name in header[:MAX_COLUMNS]
        if name and header.count(name) == 1 and not re.search(r"[{}\r\n]", name)
    ]


class MappingForm(PageForm):
    """The mapping of one file's columns."""

    customer = forms.ChoiceField(label="Customer alias")
    time = forms.ChoiceField(label="Time")
    time_format = forms.ChoiceField(choices=TIME_FORMATS, label="Time is")
    type_column = forms.ChoiceField(required=False, label="Event type")
    type_constant = forms.CharField(
        max_length=100, required=False, label="The same type for every row"
    )
    id = forms.CharField(
        max_length=400,
        label="Event id",
        help_text="A column in braces, or several: {account}-{hour}. It must be different for "
        "every event, and the same when the file is sent again.",
    )

    def __init__(
        self,
        *args: Any,
        header: Sequence[str],
        rows: Sequence[Sequence[str]] = (),
        **kwargs: Any,
    ) -> None:
        self.columns = usable(header)
        whole = [row for row in rows if len(row) == len(header)]
        cells = dict(zip(header, zip(*whole, strict=True), strict=False))
        kwargs["initial"] = {**guess(self.columns, cells), **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        choices = [(name, name) for name in self.columns]
        for name, none in _NONE_CHOSEN.items():
            self.fields[name].choices = [("", none), *choices]  # type: ignore[attr-defined]
        for number, column in enumerate(self.columns):
            self.fields[f"take-{number}"] = forms.BooleanField(
                required=False,
                label=column,
                widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
            )
            self.fields[f"name-{number}"] = forms.CharField(
                required=False,
                max_length=100,
                label=f"Name of {column}",
                widget=forms.TextInput(attrs={"class": "form-control"}),
            )

    def properties(self) -> list[tuple[Any, Any]]:
        """Return the fields that say which columns become properties, column by column."""
        return [(self[f"take-{n}"], self[f"name-{n}"]) for n in range(len(self.columns))]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("type_column") and not data.get("type_constant"):
            self.add_error("type_constant", "Choose a column, or write one type for every row.")
        used = re.findall(r"\{([^{}]*)\}", data.get("id", ""))
        if data.get("id") and not used:
            self.add_error("id", "Write at least one column in braces, such as {id}.")
        for name in used:
            if name.strip() not in self.columns:
                self.add_error("id", f"The file has no column {name.strip()!r}.")
        names: set[str] = set()
        for number in range(len(self.columns)):
            if not data.get(f"take-{number}"):
                continue
            name = data.get(f"name-{number}") or ""
            if not _NAME.fullmatch(name):
                self.add_error(f"name-{number}", "Write a name of letters, digits and _ . -")
            elif name in names:
                self.add_error(f"name-{number}", "Another column has this name.")
            names.add(name)
        return data

    def mapping(self) -> str:
        """Write the mapping in the language of ``metering.imports``."""
        data = self.cleaned_data
        time = f"{{{data['time']}}}"
        if data["time_format"] != "written":
            time = f"@{time}/{data['time_format']}"
        constant = data["type_constant"].replace("'", "''")
        parts = [
            f"id={data['id']}",
            f"customer={{{data['customer']}}}",
            f"time={time}",
            f"type={{{data['type_column']}}}" if data["type_column"] else f"type='{constant}'",
        ]
        for number, column in enumerate(self.columns):
            if data.get(f"take-{number}"):
                parts.append(f"data.{data[f'name-{number}']}={{{column}}}")
        return ", ".join(parts)


def guess(
    columns: Sequence[str], cells: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Guess what the columns mean from their names and first cells; a person confirms it.

    :param cells: of each column; what is in them tells the time better than a name does.
    """
    cells = cells or {}

    def first(pattern: re.Pattern[str], *taken: str) -> str:
        return next((one for one in columns if pattern.search(one) and one not in taken), "")

    id = first(_ID)
    customer = first(_CUSTOMER, id)
    others = [one for one in columns if one not in (id, customer)]
    named = [one for one in others if _TIME.search(one)]
    formats = {one: _time_format(cells.get(one, ())) for one in (*named, *others)}
    time = next((one for one, format in formats.items() if format), next(iter(named), ""))
    type = first(_TYPE, id, customer, time)
    made = f"{{{id}}}" if id else "-".join(f"{{{one}}}" for one in (customer, time) if one)
    initial: dict[str, Any] = {"id": made, "customer": customer, "time": time, "type_column": type}
    initial["time_format"] = formats.get(time) or "written"
    for number, column in enumerate(columns):
        initial[f"take-{number}"] = column not in (id, customer, time, type)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", column).strip("_.-")
        initial[f"name-{number}"] = name if _NAME.fullmatch(name) else f"column_{number + 1}"
    return initial


def _time_format(cells: Sequence[str]) -> str:
    """Return which of the ways to give a time most of a column's cells are in; empty if none."""
    given = [cell.strip() for cell in cells if cell.strip()]
    for format, pattern in (("written", _WRITTEN), *_COUNTED):
        if 2 * sum(bool(pattern.fullmatch(cell)) for cell in given) > len(given):
            return format
    return ""
