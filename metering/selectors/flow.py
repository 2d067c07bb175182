"""How events flow in: rates, how late they are, from where, and what is not folded yet."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from metering.selectors.exploring import first_id_at
from metering.stores.postgres import bulk_cursor
from monetization.kernel.decimals import plain

MINUTE = timedelta(minutes=1)


_UNITS = ((86_400, "days"), (3600, "h"), (60, "min"))


def duration_text(seconds: Decimal) -> str:
    """Write a stretch of time in the unit people would use; negative is ahead of time.

    >>> [duration_text(Decimal(n)) for n in ("0.8", "90", "-7200", "10779155")]
    ['0.8 s', '1.5 min', '\N{MINUS SIGN}2 h', '124.8 days']
    """
    size, sign = abs(seconds), "\N{MINUS SIGN}" if seconds < 0 else ""
    for length, unit in _UNITS:
        if size >= length:
            return f"{sign}{plain(round(size / length, 1))} {unit}"
    return f"{sign}{plain(round(size, 1))} s"


@dataclass(frozen=True, slots=True)
class SourceFlow:
    """What one source sent lately."""

    source: str
    events: int
    unmatched: int
    quarantined: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """The last hour of ingestion.

    :param by_minute: events received in each of the last 60 minutes, in order.
    :param lags: seconds from happening to being received: median, 95th and 99th percentile,
        and the longest; None without events.
    :param conflicts: repeats with other content received.
    :param deltas: hourly deltas that wait to be folded; reads count them already.
    """

    by_minute: tuple[tuple[datetime, int], ...]
    lags: tuple[Decimal, ...] | None
    sources: tuple[SourceFlow, ...]
    conflicts: int
    deltas: int

    @property
    def lag_texts(self) -> list[str]:
        return [duration_text(lag) for lag in self.lags or ()]

    @property
    def received(self) -> int:
        return sum(count for _, count in self.by_minute)

    @property
    def busiest(self) -> int:
        return max(count for _, count in self.by_minute)


def last_hour(*, now: datetime) -> Flow:
    """Return how events flowed in during the last 60 minutes, this one included."""
    first = now.replace(second=0, microsecond=0) - 59 * MINUTE
    bound = first_id_at(first - timedelta(minutes=5))
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('minute', recorded_at), count(*) FROM metering_usageevent"
            " WHERE tenant_id = current_tenant_id() AND id >= %b AND recorded_at >= %b GROUP BY 1",
            [bound, first],
        )
        received = {row[0].astimezone(UTC): int(row[1]) for row in cursor.fetchall()}
        cursor.execute(
            "SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY"
            " extract(epoch FROM recorded_at - occurred_at)::float8)::numeric[]"
            " FROM metering_usageevent"
            " WHERE tenant_id = current_tenant_id() AND id >= %b AND recorded_at >= %b",
            [bound, first],
        )
        lags = (cursor.fetchone() or (None,))[0]
        cursor.execute(
            "SELECT source, count(*), count(*) FILTER (WHERE customer_id IS NULL),"
            " count(*) FILTER (WHERE quarantine <> ''), max(recorded_at)"
            " FROM metering_usageevent WHERE tenant_id = current_tenant_id() AND id >= %b"
            " AND recorded_at >= %b GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50",
            [bound, first],
        )
        sources = tuple(SourceFlow(*row) for row in cursor.fetchall())
        cursor.execute(
            "SELECT (SELECT count(*) FROM metering_usageconflict"
            " WHERE tenant_id = current_tenant_id() AND recorded_at >= %b),"
            " (SELECT count(*) FROM metering_usagedelta WHERE tenant_id = current_tenant_id())",
            [first],
        )
        conflicts, deltas = cursor.fetchone() or (0, 0)
    minutes = [first + MINUTE * number for number in range(60)]
    return Flow(
        by_minute=tuple((minute, received.get(minute, 0)) for minute in minutes),
        lags=tuple(round(Decimal(lag), 1) for lag in lags) if lags else None,
        sources=sources,
        conflicts=conflicts,
        deltas=deltas,
    )
