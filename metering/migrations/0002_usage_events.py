"""The tables of usage events: written in bulk, partitioned, not managed by the ORM.

Identity lives in a table of its own, hash-partitioned and kept for ever, because a unique key
must contain the partition key and events are partitioned by time (docs/decisions/0011).
"""

from django.db import migrations

from monetization.tenancy.operations import row_level_security_sql

FIRST_YEAR, LAST_YEAR = 2023, 2032
KEY_PARTITIONS = 8

TABLES = """
CREATE TABLE metering_usagekey (
    tenant_id uuid NOT NULL,
    key_hash uuid NOT NULL,          -- first 128 bits of SHA-256(source, id)
    payload_hash bytea NOT NULL,     -- SHA-256 of the canonical payload
    event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, key_hash)
) PARTITION BY HASH (key_hash);

CREATE TABLE metering_usageevent (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    source text NOT NULL,
    source_event_id text NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,           -- the customer alias, as sent
    customer_id uuid,                -- null: nobody holds the alias at that time
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    xact_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    data jsonb NOT NULL,
    quarantine text NOT NULL DEFAULT ''   -- why it does not count yet
) PARTITION BY RANGE (occurred_at);
CREATE INDEX metering_usageevent_customer
    ON metering_usageevent (tenant_id, customer_id, type, occurred_at);
CREATE INDEX metering_usageevent_subject
    ON metering_usageevent (tenant_id, subject, occurred_at);
CREATE INDEX metering_usageevent_id ON metering_usageevent (tenant_id, id);

-- What one meter counted for one customer in one hour: folded, and not yet folded.
CREATE TABLE metering_usagerollup (
    tenant_id uuid NOT NULL,
    meter_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    quantity numeric NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (tenant_id, meter_id, customer_id, hour)
) WITH (fillfactor = 70);
CREATE TABLE metering_usagedelta (
    tenant_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    meter_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    quantity numeric NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX metering_usagedelta_window
    ON metering_usagedelta (tenant_id, meter_id, customer_id, hour);

-- Events that say something else under a known identity: the first value is kept.
CREATE TABLE metering_usageconflict (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    event_id uuid NOT NULL,
    source text NOT NULL,
    source_event_id text NOT NULL,
    data jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
"""


def _partitions() -> list[tuple[str, str]]:
    parts = [
        (
            f"metering_usagekey_{n}",
            f"CREATE TABLE metering_usagekey_{n} PARTITION OF metering_usagekey"
            f" FOR VALUES WITH (MODULUS {KEY_PARTITIONS}, REMAINDER {n})",
        )
        for n in range(KEY_PARTITIONS)
    ]
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for quarter in range(4):
            name = f"metering_usageevent_{year}q{quarter + 1}"
            start = f"{year}-{quarter * 3 + 1:02d}-01 00:00:00+00"
            end_year, end_month = (year + 1, 1) if quarter == 3 else (year, quarter * 3 + 4)
            end = f"{end_year}-{end_month:02d}-01 00:00:00+00"
            parts.append(
                (
                    name,
                    f"CREATE TABLE {name} PARTITION OF metering_usageevent"
                    f" FOR VALUES FROM ('{start}') TO ('{end}')",
                )
            )
    parts.append(
        (
            "metering_usageevent_other",
            "CREATE TABLE metering_usageevent_other PARTITION OF metering_usageevent DEFAULT",
        )
    )
    return parts


PARENTS = (
    "metering_usagekey",
    "metering_usageevent",
    "metering_usagerollup",
    "metering_usagedelta",
    "metering_usageconflict",
)


def _statements() -> list[str]:
    statements = [TABLES]
    names = list(PARENTS)
    for name, sql in _partitions():
        statements.append(sql)
        names.append(name)
    for name in names:
        statements.extend(row_level_security_sql(name))
    return statements


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]

    operations = [
        migrations.RunSQL(_statements(), [f"DROP TABLE {name} CASCADE" for name in PARENTS])
    ]
