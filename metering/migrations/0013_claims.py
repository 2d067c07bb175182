"""Identities are claimed by one call: together where all are new, else one is told apart by one."""

from django.db import migrations

# An insert that asks nothing looks up each identity once, where ON CONFLICT does twice and writes
# every row in two steps. Nothing of it remains if one is known; the caller then asks of each.
# The wait and the lock are as in the statement that asks, see metering/stores/claims.py.
FUNCTION = """
CREATE FUNCTION metering_claim_new(
    keys uuid[], payloads bytea[], events uuid[], lock_wait text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF lock_wait IS NOT NULL THEN
        PERFORM set_config('lock_timeout', lock_wait, true);
    END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(
            hashtext('usage'), hashtext(current_tenant_id()::text));
        INSERT INTO metering_usagekey (tenant_id, key_hash, payload_hash, event_id)
        SELECT (SELECT current_tenant_id()), u.key, u.payload, u.event
          FROM (SELECT unnest(keys) AS key, unnest(payloads) AS payload,
                       unnest(events) AS event) u;
        RETURN true;
    EXCEPTION WHEN unique_violation THEN
        RETURN false;
    END;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0012_covered_indexes")]

    operations = [
        migrations.RunSQL(
            FUNCTION, "DROP FUNCTION metering_claim_new(uuid[], bytea[], uuid[], text)"
        )
    ]
