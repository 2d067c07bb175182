"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0033_covered_indexes"),
        ("revrec", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="performanceobligation",
            name="schedule",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="obligations",
                to="billing.billingschedule",
            ),
        ),
        migrations.AlterField(
            model_name="revenueslice",
            name="obligation",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="slices",
                to="revrec.performanceobligation",
            ),
        ),
    ]
