"""Indexes for what people look at and machines rarely write: quarantine and conflicts."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("metering", "0002_usage_events")]

    operations = [
        migrations.RunSQL(
            [
                "CREATE INDEX metering_usageevent_quarantine ON metering_usageevent"
                " (tenant_id, id) WHERE quarantine <> ''",
                "CREATE INDEX metering_usageconflict_event ON metering_usageconflict"
                " (tenant_id, event_id)",
            ],
            [
                "DROP INDEX metering_usageevent_quarantine",
                "DROP INDEX metering_usageconflict_event",
            ],
        )
    ]
