"""How a row of a file becomes a usage event: a small language, read once. Pure.

    id={client}-{hour}, customer=client, time=@hour, type='inference', data.requests=requests

Left of ``=`` stands a field of the event, right of it one of four values: a column by its
name, a {template} over columns, a 'constant', or @column, a count of seconds since the epoch.
docs/importing-usage.md is the reference.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from metering.ingest.parser import Invalid
from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.errors import Refusal

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REQUIRED = ("id", "customer", "time", "type")
TARGETS = (*REQUIRED, "source")
_COUNT = re.compile(r"@(?:\{(?P<braced>[^{}]+)\}|(?P<plain>[^{}'/]+))(?:/(?P<per>10*))?", re.DOTALL)


class MappingInvalid(Refusal):
    """The mapping from columns to event fields cannot be read, or does not fit the file."""


@dataclass(frozen=True, slots=True)
class Template:
    """Text with columns in it; a single column is a template of one part."""

    parts: tuple[tuple[str, str], ...]  # (literal before, column), in order
    tail: str = ""  # literal after the last column

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for _, column in self.parts)


@dataclass(frozen=True, slots=True)
class EpochCount:
    """A column that counts seconds, or parts of a second, since the epoch."""

    column: str
    per_second: int  # 1: seconds, 1000: milliseconds

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


Value = Template | EpochCount
Row = Sequence[str]
Item = dict[str, object]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which value fills which field; ``bind`` it to a header to read rows."""

    fields: tuple[tuple[str, Value], ...]
    epoch: datetime = UNIX_EPOCH

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every column used, once, in order."""
        return tuple(dict.fromkeys(name for _, value in self.fields for name in value.columns))

    def bind(self, header: Sequence[str]) -> Callable[[Row], Item]:
        """Return a function from a row's cells to a raw event, as the API would receive it.

        The function raises ``Invalid`` for a row with another number of cells, or with a blank
        cell where the event needs a value. A blank cell of a ``data`` property leaves it out.

        :raises MappingInvalid: if a column is not in the header, or is there twice.
        """
        for column in self.columns:
            if header.count(column) != 1:
                problem = "appears twice in" if column in header else "is not in"
                shown = ", ".join(name or "(blank)" for name in header)[:500]
                raise MappingInvalid(f"column {column!r} {problem} the header: {shown}")
        readers = [
            (target, _reader(target, value, header, self.epoch)) for target, value in self.fields
        ]
        width = len(header)

        def read(row: Row) -> Item:
            if len(row) != width:
                raise Invalid("", f"has {len(row)} cells; the header has {width}")
            item: Item = {}
            data: Item = {}
            for target, value_of in readers:
                value = value_of(row)
                if target.startswith("data."):
                    if value is not None:
                        data[target[5:]] = value
                else:
                    item[target] = value
            item["data"] = data
            return item

        return read


def parse_mapping(text: str, *, epoch: datetime = UNIX_EPOCH) -> Mapping:
    """Read a mapping.

    :param epoch: aware; what ``@column`` counts from.
    :raises MappingInvalid: naming the field, if it is misspelled, unknown, missing or twice.

    >>> parse_mapping("id=ref,customer=a/{b},time=@ts/1000,type='call'").columns
    ('ref', 'b', 'ts')
    """
    fields: dict[str, Value] = {}
    for pair in _split(text):
        target, equals, written = pair.partition("=")
        target, written = target.strip(), written.strip()
        if not equals:
            raise MappingInvalid(f"{pair.strip()!r}: write field=value")
        if target not in TARGETS and not (target.startswith("data.") and len(target) > 5):
            raise MappingInvalid(
                f"{target!r} is not a field; map {', '.join(TARGETS)} or data.<name>"
            )
        if target in fields:
            raise MappingInvalid(f"{target} is mapped twice")
        fields[target] = _value(target, written)
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        raise MappingInvalid(f"{missing[0]} is missing: add {missing[0]}=<column>")
    return Mapping(tuple(fields.items()), epoch)


def _split(text: str) -> Iterator[str]:
    """Split at commas that stand in neither 'quotes' nor {braces}."""
    start, quoted, braced = 0, False, False
    for position, char in enumerate(text):
        if char == "'" and not braced:
            quoted = not quoted
        elif char in "{}" and not quoted:
            braced = char == "{"
        elif char == "," and not quoted and not braced:
            yield text[start:position]
            start = position + 1
    if quoted:
        raise MappingInvalid("a 'constant' is not closed")
    if braced:
        raise MappingInvalid("a {column} is not closed")
    yield text[start:]


def _value(target: str, written: str) -> Value:
    if not written:
        raise MappingInvalid(f"{target}: name a column, a {{template}} or a 'constant'")
    if written.startswith("'"):
        inner = written[1:-1]
        if len(written) < 2 or not written.endswith("'") or "'" in inner.replace("''", ""):
            raise MappingInvalid(f"{target}: {written} must be one 'constant'; write '' for '")
        return Template((), inner.replace("''", "'"))
    if written.startswith("@"):
        return _epoch_count(target, written)
    if "{" in written or "}" in written:
        return _template(target, written)
    return Template((("", written),))


def _epoch_count(target: str, written: str) -> EpochCount:
    if target != "time":
        raise MappingInvalid(f"{target}: only time counts from the epoch")
    match = _COUNT.fullmatch(written)
    if match is None:
        raise MappingInvalid(f"time: {written} must be @column, or @column/1000 for milliseconds")
    column = match["braced"] or match["plain"].strip()
    return EpochCount(column, int(match["per"] or 1))


def _template(target: str, written: str) -> Template:
    parts: list[tuple[str, str]] = []
    literal, rest = "", written
    while rest:
        before, brace, rest = rest.partition("{")
        if "}" in before:
            raise MappingInvalid(f"{target}: {written} has a }} without {{")
        literal += before
        if not brace:
            break
        column, closed, rest = rest.partition("}")
        if not closed or not column.strip() or "{" in column:
            raise MappingInvalid(f"{target}: {written} must have {{column}} in braces")
        parts.append((literal, column.strip()))
        literal = ""
    return Template(tuple(parts), literal)


def _reader(
    target: str, value: Value, header: Sequence[str], epoch: datetime
) -> Callable[[Row], str | None]:
    places = [header.index(column) for column in value.columns]
    if isinstance(value, EpochCount):
        return _time_reader(value, places[0], epoch)
    if target == "time":
        read = _text_reader(target, value, places, header)
        return lambda row: _with_t(read(row))
    return _text_reader(target, value, places, header)


def _with_t(text: str | None) -> str | None:
    """Write a T between day and clock, where databases and spreadsheets leave a space."""
    return f"{text[:10]}T{text[11:]}" if text and text[10:11] == " " else text


def _text_reader(
    target: str, value: Template, places: Sequence[int], header: Sequence[str]
) -> Callable[[Row], str | None]:
    optional = target.startswith("data.")
    if len(places) == 1 and not value.parts[0][0] and not value.tail:
        place, name = places[0], value.columns[0]

        def cell(row: Row) -> str | None:
            text = row[place]
            return text if text.strip() or _blank(target, name, optional=optional) else None

        return cell
    pieces = [(literal, place) for (literal, _), place in zip(value.parts, places, strict=True)]

    def filled(row: Row) -> str | None:
        text = ""
        for literal, place in pieces:
            if not row[place].strip() and not _blank(target, header[place], optional=optional):
                return None
            text += literal + row[place]
        return text + value.tail

    return filled


def _blank(target: str, column: str, *, optional: bool) -> bool:
    """Refuse a blank cell where a value is needed; False where it may be left out."""
    if not optional:
        raise Invalid(target, f"column {column!r} is blank")
    return False


def _time_reader(value: EpochCount, place: int, epoch: datetime) -> Callable[[Row], str | None]:
    start = epoch.astimezone(UTC)

    def moment(row: Row) -> str | None:
        text = row[place]
        if not text.strip():
            raise Invalid("time", f"column {value.column!r} is blank")
        try:
            micros = exact_decimal(text) * 1_000_000 / Decimal(value.per_second)
            return (start + timedelta(microseconds=int(micros))).isoformat()
        except NotExact as error:
            raise Invalid("time", f"column {value.column!r} {error}") from None
        except OverflowError:
            raise Invalid("time", f"column {value.column!r} is not a moment that exists") from None

    return moment
