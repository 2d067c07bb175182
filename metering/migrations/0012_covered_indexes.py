"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations, models

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0003_covered_indexes"),
        ("metering", "0011_months"),
    ]

    operations = [
        migrations.AlterField(
            model_name="meter",
            name="event_type",
            field=models.SlugField(db_index=False, max_length=100),
        ),
        migrations.AlterField(
            model_name="meter",
            name="key",
            field=models.SlugField(db_index=False, max_length=60),
        ),
        migrations.AlterField(
            model_name="meterversion",
            name="meter",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="metering.meter",
            ),
        ),
        migrations.AlterField(
            model_name="usagereading",
            name="customer",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="customers.customer",
            ),
        ),
    ]
