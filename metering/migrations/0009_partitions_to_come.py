"""Quarters after the last one laid by hand get their partition when they come near."""

from django.db import migrations

# The owner's rights, because the application may not create tables: a quarter at a time, and what
# arrived too early for its partition moves into it. Policies are forced on the new one too.
LAY = """
CREATE FUNCTION lay_usage_partitions(until date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    quarter date := '2033-01-01';
    after date;
    name text;
    laid integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('usage partitions'));
    WHILE quarter <= until AND laid < 8 LOOP
        after := quarter + interval '3 months';
        name := 'metering_usageevent_' || to_char(quarter, 'YYYY"q"Q');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE metering_usageevent INCLUDING DEFAULTS)', name);
            ALTER TABLE metering_usageevent_other NO FORCE ROW LEVEL SECURITY;
            EXECUTE format(
                'WITH moved AS (DELETE FROM metering_usageevent_other'
                ' WHERE occurred_at >= %L AND occurred_at < %L RETURNING *)'
                ' INSERT INTO %I SELECT * FROM moved',
                quarter || ' 00:00+00', after || ' 00:00+00', name);
            ALTER TABLE metering_usageevent_other FORCE ROW LEVEL SECURITY;
            EXECUTE format(
                'ALTER TABLE metering_usageevent ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, quarter || ' 00:00+00', after || ' 00:00+00');
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format(
                'CREATE POLICY tenant_isolation ON %I'
                ' USING (tenant_id = (SELECT current_tenant_id()))'
                ' WITH CHECK (tenant_id = (SELECT current_tenant_id()))', name);
            laid := laid + 1;
        END IF;
        quarter := after;
    END LOOP;
    RETURN laid;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0008_usage_store")]

    operations = [migrations.RunSQL(LAY, "DROP FUNCTION lay_usage_partitions(date)")]
