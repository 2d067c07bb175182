"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0033_covered_indexes"),
        ("integrations", "0004_disputes"),
        ("quotes", "0011_covered_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="onlinepayment",
            name="invoice",
            field=monetization.tenancy.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="online_payments",
                to="billing.invoice",
            ),
        ),
        migrations.AlterField(
            model_name="signaturelogentry",
            name="request",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="log_entries",
                to="integrations.signaturerequest",
            ),
        ),
        migrations.AlterField(
            model_name="signaturerequest",
            name="version",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="quotes.quoteversion",
            ),
        ),
    ]
