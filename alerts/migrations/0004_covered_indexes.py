"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0003_credits"),
        ("customers", "0003_covered_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="alert",
            name="customer",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="customers.customer",
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="rule",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alerts",
                to="alerts.alertrule",
            ),
        ),
    ]
