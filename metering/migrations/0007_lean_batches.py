"""What a batch writes is less: one index for events nobody holds instead of one over all, deltas
without a number of their own, and identities that follow the time in the sender's id.

Every step commits by itself and may be done again: killed anywhere, ``migrate`` goes on. Usage
must not come in meanwhile, or an event could be taken under both of its identities.
"""

from typing import Any

from django.db import migrations

# An id that is a UUID of version 7 begins with its time: so does its identity from now on.
TIMED = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7"
PART = 50_000  # events whose identities are looked at in one transaction


def _hashed(source: str, name: str) -> str:
    text = f"length({source}) || ':' || {source} || {name}"
    return f"encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


def timed_identity(source: str, name: str) -> str:
    """Return SQL of the identity of an event whose id begins with its time."""
    time = f"substr({name}, 1, 8) || substr({name}, 10, 4)"
    return f"({time} || substr({_hashed(source, name)}, 1, 20))::uuid"


def plain_identity(source: str, name: str) -> str:
    return f"substr({_hashed(source, name)}, 1, 32)::uuid"


GUARDED = ("metering_usagekey", "metering_usageevent", "metering_usagecorrection")
OF_EVENT = ("e.source", "e.source_event_id")
OF_TARGET = ("c.target_source", "c.target_source_event_id")


def rekey(cursor: Any, old: Any, new: Any, *, part: int = PART) -> int:
    """Give identities with a time in them another hash; return how many had the old one.

    They are the owner's, for every company at once: the policies are off meanwhile, for the
    owner alone. An identity is found by its old hash, so one that has the new one stays.

    :param old, new: functions that write the SQL of an identity.
    """
    for table in GUARDED:
        cursor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    count = 0
    last: Any = ("00000000-0000-0000-0000-000000000000",) * 2
    while last is not None:
        cursor.execute(
            "WITH part AS MATERIALIZED (SELECT tenant_id, id, source, source_event_id"  # noqa: S608
            "  FROM metering_usageevent WHERE (tenant_id, id) > (%s::uuid, %s::uuid)"
            "  ORDER BY tenant_id, id LIMIT %s),"
            f" moved AS (UPDATE metering_usagekey k SET key_hash = {new(*OF_EVENT)}"
            f"  FROM part e WHERE k.tenant_id = e.tenant_id AND k.key_hash = {old(*OF_EVENT)}"
            f"  AND k.payload_hash <> '' AND e.source_event_id ~ '{TIMED}' RETURNING 1)"
            " SELECT (SELECT count(*) FROM moved), tenant_id, id FROM part"
            " ORDER BY tenant_id DESC, id DESC LIMIT 1",
            [*last, part],
        )
        row = cursor.fetchone()
        last = row and row[1:]
        count += row[0] if row else 0
    # What a correction waits for: few, and each statement whole.
    cursor.execute(
        f"UPDATE metering_usagekey k SET key_hash = {new(*OF_TARGET)}"  # noqa: S608
        " FROM metering_usagecorrection c"
        f" WHERE c.tenant_id = k.tenant_id AND k.key_hash = {old(*OF_TARGET)}"
        f" AND k.payload_hash = '' AND c.target_source_event_id ~ '{TIMED}'"
    )
    count += cursor.rowcount
    cursor.execute(
        f"UPDATE metering_usagecorrection c SET target_key = {new(*OF_TARGET)}"  # noqa: S608
        f" WHERE c.target_source_event_id ~ '{TIMED}' AND c.target_key <> {new(*OF_TARGET)}"
    )
    for table in GUARDED:
        cursor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    return count


def by_time(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        rekey(cursor, plain_identity, timed_identity)


def by_hash_alone(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        rekey(cursor, timed_identity, plain_identity)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("metering", "0006_every_aggregation")]

    operations = [
        migrations.RunPython(by_time, by_hash_alone),
        migrations.RunSQL(
            [
                "DROP INDEX IF EXISTS metering_usageevent_subject",
                "CREATE INDEX IF NOT EXISTS metering_usageevent_unmatched ON metering_usageevent"
                " (tenant_id, subject, occurred_at) WHERE customer_id IS NULL",
                "ALTER TABLE metering_usagedelta DROP COLUMN IF EXISTS id",
            ],
            [
                "DROP INDEX IF EXISTS metering_usageevent_unmatched",
                "CREATE INDEX IF NOT EXISTS metering_usageevent_subject ON metering_usageevent"
                " (tenant_id, subject, occurred_at)",
                "ALTER TABLE metering_usagedelta ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY,"
                " ADD PRIMARY KEY (tenant_id, id)",
            ],
        ),
    ]
