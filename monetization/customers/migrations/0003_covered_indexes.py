"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0002_references"),
    ]

    operations = [
        migrations.AlterField(
            model_name="billingcontact",
            name="customer",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="contacts",
                to="customers.customer",
            ),
        ),
        migrations.AlterField(
            model_name="contactreference",
            name="object",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="references",
                to="customers.billingcontact",
            ),
        ),
        migrations.AlterField(
            model_name="customerreference",
            name="object",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="references",
                to="customers.customer",
            ),
        ),
    ]
