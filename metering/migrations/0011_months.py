"""When the usage of a customer's month (UTC) last changed, noted by the hours' own triggers.

Who knows a quantity as of some moment sees in one row whether it still holds. What changed before
this migration is not noted: nobody who asks knew anything by then.
"""

from django.db import migrations

from monetization.tenancy.operations import row_level_security_sql

TABLE = """
CREATE TABLE metering_usagemonth (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    month timestamptz NOT NULL,      -- when it begins
    changed bigint NOT NULL,         -- the last transaction that did
    PRIMARY KEY (tenant_id, customer_id, month)
) WITH (fillfactor = 70)
"""
# The last to write had waited for all before it: who sees it sees them.
_NOTE = """
INSERT INTO metering_usagemonth (tenant_id, customer_id, month, changed)
SELECT DISTINCT tenant_id, customer_id, date_trunc('month', hour, 'UTC'),
       pg_current_xact_id()::text::bigint FROM {rows} ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, customer_id, month) DO UPDATE
   SET changed = excluded.changed
"""
FUNCTION = f"""
CREATE FUNCTION metering_note_months() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        {_NOTE.format(rows="old_rows")};
    ELSE
        {_NOTE.format(rows="new_rows")};
    END IF;
    RETURN NULL;
END $$
"""
_REFERENCING = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "NEW TABLE AS new_rows",  # nothing moves from hour to hour
    "DELETE": "OLD TABLE AS old_rows",
}
TRIGGERS = [
    f"CREATE TRIGGER metering_note_months_{event.lower()} AFTER {event} ON metering_usagerollup"
    f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION metering_note_months()"
    for event, tables in _REFERENCING.items()
]


class Migration(migrations.Migration):
    dependencies = [("metering", "0010_days")]

    operations = [
        migrations.RunSQL(
            [TABLE, FUNCTION, *TRIGGERS, *row_level_security_sql("metering_usagemonth")],
            ["DROP FUNCTION metering_note_months() CASCADE", "DROP TABLE metering_usagemonth"],
        )
    ]
