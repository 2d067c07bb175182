"""What a meter counted by the day (UTC), beside the hours it is the sum of.

The hours' own triggers keep it, whoever writes them: a folder of an earlier release, too. What
is there is added up under a lock that only the folding of deltas waits for; killed anywhere,
nothing of it is there and ``migrate`` begins again.
"""

from django.db import migrations

from monetization.tenancy.operations import row_level_security_sql

TABLE = """
CREATE TABLE metering_usageday (
    tenant_id uuid NOT NULL,
    meter_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    day timestamptz NOT NULL,        -- when it begins
    quantity numeric NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (tenant_id, meter_id, customer_id, day)
) WITH (fillfactor = 70)
"""
_ADD = """
INSERT INTO metering_usageday AS d (tenant_id, meter_id, customer_id, day, quantity, events)
SELECT tenant_id, meter_id, customer_id, date_trunc('day', hour, 'UTC'),
       sum(quantity), sum(events)::bigint FROM {rows}
 GROUP BY 1, 2, 3, 4 {having} ORDER BY 1, 2, 3, 4
    ON CONFLICT (tenant_id, meter_id, customer_id, day) DO UPDATE
   SET quantity = d.quantity + excluded.quantity, events = d.events + excluded.events
"""
_COLUMNS = "SELECT tenant_id, meter_id, customer_id, hour, {sign}quantity AS quantity, {sign}events"
_PLUS = f"{_COLUMNS.format(sign='')} AS events FROM new_rows"
_MINUS = f"{_COLUMNS.format(sign='-')} AS events FROM old_rows"
_MOVED = "HAVING sum(quantity) <> 0 OR sum(events) <> 0"
KEEP = f"""
CREATE FUNCTION metering_keep_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_ADD.format(rows="new_rows", having="")};
    ELSIF TG_OP = 'UPDATE' THEN
        {_ADD.format(rows=f"({_PLUS} UNION ALL {_MINUS}) moved", having=_MOVED)};
    ELSE
        {_ADD.format(rows=f"({_MINUS}) gone", having="")};
    END IF;
    RETURN NULL;
END $$
"""
_REFERENCING = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}
TRIGGERS = [
    f"CREATE TRIGGER metering_keep_days_{event.lower()} AFTER {event} ON metering_usagerollup"
    f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION metering_keep_days()"
    for event, tables in _REFERENCING.items()
]
FILL = [
    "LOCK TABLE metering_usagerollup IN SHARE ROW EXCLUSIVE MODE",
    "ALTER TABLE metering_usagerollup NO FORCE ROW LEVEL SECURITY",  # of every company at once
    _ADD.format(rows="metering_usagerollup", having=""),
    "ALTER TABLE metering_usagerollup FORCE ROW LEVEL SECURITY",
]


class Migration(migrations.Migration):
    dependencies = [("metering", "0009_partitions_to_come")]

    operations = [
        migrations.RunSQL(
            [TABLE, *FILL, KEEP, *TRIGGERS, *row_level_security_sql("metering_usageday")],
            [
                "DROP FUNCTION metering_keep_days() CASCADE",
                "DROP TABLE metering_usageday",
            ],
        )
    ]
