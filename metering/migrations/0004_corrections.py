"""Events can be taken back, released and discarded; each such decision is kept."""

from django.db import migrations

from monetization.tenancy.operations import row_level_security_sql

EVENTS = """
ALTER TABLE metering_usageevent
    ADD COLUMN retired_xact xid8,  -- from this transaction on it does not count
    ADD COLUMN retired_by uuid;    -- the event that corrects it
CREATE INDEX metering_usageevent_retired
    ON metering_usageevent (tenant_id, customer_id, occurred_at) WHERE retired_xact IS NOT NULL;
"""

TABLES = """
-- What an event asked to take back. One correction of a target is applied: the first.
CREATE TABLE metering_usagecorrection (
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL,                  -- supersedes, voids
    target_source text NOT NULL,
    target_source_event_id text NOT NULL,
    target_key uuid NOT NULL,            -- identity of the target, which may come later
    target_id uuid,
    is_applied boolean NOT NULL DEFAULT false,
    recorded_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (tenant_id, event_id)
);
CREATE UNIQUE INDEX metering_usagecorrection_target
    ON metering_usagecorrection (tenant_id, target_key) WHERE is_applied;

-- What people decided about events: released, discarded, conflict accepted or refused.
CREATE TABLE metering_usagerepair (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    event_id uuid NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX metering_usagerepair_event ON metering_usagerepair (tenant_id, event_id);

-- A conflict keeps the whole event; what came before this kept its measurements only.
ALTER TABLE metering_usageconflict
    ADD COLUMN type text,
    ADD COLUMN subject text,
    ADD COLUMN occurred_at timestamptz,
    ADD COLUMN resolution text NOT NULL DEFAULT '',  -- accepted, kept_first
    ADD COLUMN resolved_at timestamptz;
"""
NAMES = ("metering_usagecorrection", "metering_usagerepair")


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_explorer_indexes")]

    operations = [
        migrations.RunSQL(
            [EVENTS, TABLES, *(sql for name in NAMES for sql in row_level_security_sql(name))],
            [
                *(f"DROP TABLE {name}" for name in NAMES),
                "ALTER TABLE metering_usageevent DROP COLUMN retired_xact, DROP COLUMN retired_by",
                "ALTER TABLE metering_usageconflict DROP COLUMN type, DROP COLUMN subject,"
                " DROP COLUMN occurred_at, DROP COLUMN resolution, DROP COLUMN resolved_at",
            ],
        )
    ]
