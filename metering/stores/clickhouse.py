"""The store of raw events in ClickHouse, for companies whose events one machine cannot hold.

A row is replaced by inserting it again with a higher version. Every question names its company:
ClickHouse knows nothing of the row-level security that guards Postgres, so the company is given
when the store is made and is part of every condition. All parameters travel as one JSON text in
base64, which leaves nothing to escape.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol
from uuid import UUID

import orjson

from metering.domain.counting import MeterDefinition
from metering.domain.numbers import NUMBER, at_twelve_places
from metering.stores.port import (
    EventRow,
    Fingerprint,
    Found,
    StoredEvent,
    Window,
    event_row,
    snapshot_bounds,
)

TABLE = "usage_events"
NOBODY = UUID(int=0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    tenant_id UUID,
    type LowCardinality(String),
    at Int64 CODEC(DoubleDelta, ZSTD),
    id UUID,
    customer_id UUID,
    source LowCardinality(String),
    source_event_id String CODEC(ZSTD),
    subject LowCardinality(String),
    recorded_at Int64 CODEC(DoubleDelta, ZSTD),
    xact UInt64 CODEC(DoubleDelta, ZSTD),
    retired_xact UInt64 CODEC(ZSTD),
    retired_by UUID CODEC(ZSTD),
    quarantine LowCardinality(String),
    data String CODEC(ZSTD),
    props Map(LowCardinality(String), String) CODEC(ZSTD),
    version UInt64 CODEC(ZSTD),
    INDEX by_customer customer_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_id id TYPE bloom_filter GRANULARITY 4
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Micro(at, 'UTC'))
ORDER BY (tenant_id, type, at, id)
"""
# An event's time never changes, so what replaces a row is in its partition. What an index finds is
# looked up in every part: else a customer an event was taken from would go on paying for it.
SETTINGS = (
    "SETTINGS do_not_merge_across_partitions_select_final = 1,"
    " use_skip_indexes_if_final_exact_mode = 1"
)


class Engine(Protocol):
    """What runs SQL: a server behind clickhouse-connect, or ClickHouse in this process."""

    def rows(self, sql: str, parameter: str) -> bytes:
        """Run a query with its one parameter ``p``; return JSONCompactEachRow."""

    def insert(self, table: str, lines: bytes) -> None:
        """Insert JSONEachRow."""

    def command(self, sql: str) -> None:
        """Run a statement without an answer."""


def micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICRO


def _moment(micro: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micro)


_GIVEN = "base64Decode({p:String})"


def _text(name: str) -> str:
    return f"JSONExtractString({_GIVEN}, '{name}')"


def _list(name: str, kind: str) -> str:
    return f"JSONExtract({_GIVEN}, '{name}', 'Array({kind})')"


def _number(name: str) -> str:
    return f"JSONExtractInt({_GIVEN}, '{name}')"


_MINE = f"tenant_id = toUUID({_text('tenant')})"
_SPAN = f"at >= {_number('since')} AND at < {_number('until')}"
_LIVE = "(quarantine = '' AND retired_xact = 0)"


def _visible(column: str) -> str:
    """Return the condition that the snapshot among the parameters sees a transaction."""
    return (
        f"({column} < {_number('low')} OR ({column} < {_number('high')}"
        f" AND NOT has({_list('running', 'UInt64')}, {column})))"
    )


_COUNTED = (
    f"(quarantine = '' AND {_visible('xact')}"
    f" AND (retired_xact = 0 OR NOT {_visible('retired_xact')}))"
)


def _snapshot(snapshot: str) -> dict[str, Any]:
    low, high, running = snapshot_bounds(snapshot)
    return {"low": low, "high": high, "running": running}


def _counting(meter: MeterDefinition) -> tuple[str, dict[str, Any]]:
    """Return the condition under which an event counts, with its parameters."""
    conditions = [f"type = {_text('type')}"]
    given: dict[str, Any] = {"type": meter.event_type, "value": meter.value_property}
    for number, (name, allowed) in enumerate(meter.filters.items()):
        given[f"name{number}"], given[f"any{number}"] = name, [str(one) for one in allowed]
        held = f"props[{_text(f'name{number}')}]"
        conditions.append(f"mapContains(props, {_text(f'name{number}')})")
        conditions.append(f"has({_list(f'any{number}', 'String')}, {held})")
    if meter.aggregation == "count_unique":
        conditions.append(f"mapContains(props, {_text('value')})")
    elif meter.aggregation != "count":
        given["number"] = f"^{NUMBER}$"
        conditions.append(f"match(props[{_text('value')}], {_text('number')})")
    return " AND ".join(conditions), given


def _aggregate(meter: MeterDefinition) -> str:
    text = f"props[{_text('value')}]"
    number = f"toDecimal256OrZero({text}, 12)"
    match meter.aggregation:
        case "count":
            return "toString(count())"
        case "sum" | "average":
            return f"toString(sum({number}))"
        case "max" | "min":
            return f"toString({meter.aggregation}({number}))"
        case "latest":
            return f"toString(argMax({number}, (at, toString(id))))"
        case "count_unique":
            return f"toString(uniqExact({text}))"
    raise ValueError(f"unknown aggregation {meter.aggregation}")


class ClickHouseEvents:
    """Raw events of one company in ClickHouse."""

    def __init__(self, engine: Engine, tenant_id: UUID) -> None:
        self.engine, self.tenant_id = engine, tenant_id

    def prepare(self) -> None:
        """Make the table, once."""
        self.engine.command(SCHEMA)

    def answers(self, meter: MeterDefinition) -> bool:
        """Say no to expressions and to levels over time: Postgres counts those."""
        return not meter.expression and not meter.is_weighted

    def put(self, events: Sequence[StoredEvent], *, version: int) -> None:
        if events:
            lines = b"\n".join(self._line(event, version) for event in events)
            self.engine.insert(TABLE, lines)

    def _line(self, event: StoredEvent, version: int) -> bytes:
        held = orjson.loads(event.data)
        return orjson.dumps(
            {
                "tenant_id": self.tenant_id,
                "type": event.type,
                "at": micros(event.occurred_at),
                "id": event.id,
                "customer_id": event.customer_id or NOBODY,
                "source": event.source,
                "source_event_id": event.source_event_id,
                "subject": event.subject,
                "recorded_at": micros(event.recorded_at),
                "xact": event.xact,
                "retired_xact": event.retired_xact or 0,
                "retired_by": event.retired_by or NOBODY,
                "quarantine": event.quarantine,
                "data": event.data,
                "props": {name: _plain(one) for name, one in held.items() if one is not None},
                "version": version,
            }
        )

    def get(self, ids: Sequence[UUID]) -> list[StoredEvent]:
        rows = self._ask(
            "SELECT toString(id), source, source_event_id, type, subject, toString(customer_id),"
            " at, recorded_at, xact, retired_xact, toString(retired_by), quarantine, data"
            f" FROM {TABLE} FINAL WHERE {_MINE} AND has({_list('ids', 'UUID')}, id)"
            " ORDER BY toString(id)",
            {"ids": [str(one) for one in ids]},
        )
        return [
            StoredEvent(
                UUID(id), source, name, kind, subject, _known(customer), _moment(int(at)),
                _moment(int(recorded)), int(xact), int(retired) or None, _known(by), held, data,
            )
            for id, source, name, kind, subject, customer, at, recorded, xact, retired, by, held,
            data in rows
        ]  # fmt: skip

    def measure(self, meter: MeterDefinition, windows: Sequence[Window], snapshot: str) -> Found:
        if not windows:
            return {}
        where, given = _counting(meter)
        low, high = [micros(one[3]) for one in windows], [micros(one[4]) for one in windows]
        rows = self._ask(
            f"SELECT w.1, {_aggregate(meter)}, count() FROM (SELECT * FROM {TABLE} FINAL"
            f"  WHERE {_MINE} AND {where} AND {_SPAN} AND {_COUNTED}"
            f"  AND customer_id IN {_list('customers', 'UUID')}) AS e"
            " INNER JOIN (SELECT arrayJoin(arrayZip("
            f"  {_list('windows', 'Int64')}, {_list('customers', 'UUID')},"
            f"  {_list('lows', 'Int64')}, {_list('highs', 'Int64')})) AS w, w.2 AS customer_id)"
            "  AS asked ON e.customer_id = asked.customer_id"
            " WHERE at >= w.3 AND at < w.4 GROUP BY w.1",
            {
                **given,
                **_snapshot(snapshot),
                "since": min(low),
                "until": max(high),
                "windows": [one[0] for one in windows],
                "customers": [str(one[2]) for one in windows],
                "lows": low,
                "highs": high,
            },
        )
        return {int(index): (Decimal(quantity), int(count)) for index, quantity, count in rows}

    def days(
        self, meter: MeterDefinition, window: Window, *, snapshot: str | None
    ) -> list[tuple[date, Decimal]]:
        where, given = _counting(meter)
        rows = self._ask(
            f"SELECT toString(toDate(toTimeZone(fromUnixTimestamp64Micro(at, 'UTC'),"
            f" {_text('zone')}))) AS day, {_aggregate(meter)}, count() FROM {TABLE} FINAL"
            f" WHERE {_MINE} AND {where} AND {_SPAN} AND customer_id = toUUID({_text('customer')})"
            f" AND {_LIVE if snapshot is None else _COUNTED} GROUP BY day ORDER BY day",
            {**given, **_of_window(window), **(_snapshot(snapshot) if snapshot else {}),
             "zone": window[5]},
        )  # fmt: skip
        return [
            (date.fromisoformat(day), _divided(meter, Decimal(quantity), int(count)))
            for day, quantity, count in rows
        ]

    def page(
        self,
        meter: MeterDefinition,
        window: Window,
        *,
        snapshot: str,
        changed: bool,
        after: UUID | None,
        limit: int,
    ) -> list[EventRow]:
        where, given = _counting(meter)
        chosen = f"{_LIVE} != {_COUNTED}" if changed else _COUNTED
        rows = self._ask(
            "SELECT toString(id) AS name, source, source_event_id, type, subject,"
            " toString(customer_id), at, recorded_at, data, quarantine, retired_xact != 0,"
            f" toString(retired_by), multiIf(NOT {_LIVE}, 'removed', {_visible('xact')}, '',"
            f" 'added') FROM {TABLE} FINAL WHERE {_MINE} AND {where} AND {_SPAN}"
            f" AND customer_id = toUUID({_text('customer')}) AND {chosen}"
            f" AND name > {_text('after')} ORDER BY name LIMIT {int(limit)}",
            {**given, **_of_window(window), **_snapshot(snapshot), "after": str(after or "")},
        )
        return [
            event_row(
                (UUID(row[0]), *row[1:5], _known(row[5]), _moment(int(row[6])),
                 _moment(int(row[7])), row[8], row[9], bool(int(row[10])), _known(row[11]), row[12])
            )
            for row in rows
        ]  # fmt: skip

    def fingerprint(self, since: datetime, until: datetime, snapshot: str) -> Fingerprint:
        text = (
            "concatWithSeparator('|', toString(id),"
            f" if(customer_id = toUUID('{NOBODY}'), '', toString(customer_id)), source,"
            " source_event_id, type, subject, toString(at), toString(xact),"
            " if(retired_xact = 0, '', toString(retired_xact)), quarantine, data)"
        )
        [[events, digest]] = self._ask(
            "SELECT count(), toString(sum(toUInt128(reinterpretAsUInt64(reverse("
            f"substring(MD5({text}), 1, 7)))))) FROM {TABLE} FINAL WHERE {_MINE} AND {_SPAN}"
            f" AND {_visible('xact')} AND (retired_xact = 0 OR {_visible('retired_xact')})",
            {"since": micros(since), "until": micros(until), **_snapshot(snapshot)},
        )
        return Fingerprint(int(events), int(digest))

    def _ask(self, sql: str, given: Mapping[str, Any]) -> list[list[Any]]:
        parameter = b64encode(json.dumps({**given, "tenant": str(self.tenant_id)}).encode())
        answer = self.engine.rows(f"{sql} {SETTINGS}", parameter.decode())
        return [orjson.loads(line) for line in answer.splitlines() if line]


def _of_window(window: Window) -> dict[str, Any]:
    _, _, customer_id, start, end, _ = window
    return {"customer": str(customer_id), "since": micros(start), "until": micros(end)}


def _divided(meter: MeterDefinition, quantity: Decimal, count: int) -> Decimal:
    """Return a sum as the quantity of its day: an average is divided."""
    if meter.aggregation != "average":
        return quantity
    return at_twelve_places(Fraction(quantity) / count)


def _known(text: str) -> UUID | None:
    found = UUID(text)
    return None if found == NOBODY else found


def _plain(value: Any) -> str:
    """Return a value as Postgres reads it out of the stored measurements as text."""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)
