"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0001_initial"),
        ("jobs", "0004_covered_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="crmimport",
            name="job",
            field=monetization.tenancy.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="jobs.job",
            ),
        ),
        migrations.AlterField(
            model_name="crmreject",
            name="crm_import",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rejects",
                to="crm.crmimport",
            ),
        ),
    ]
