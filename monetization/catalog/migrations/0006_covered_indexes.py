"""Indexes on a column alone go where one on the tenant and the column begins the same way."""

import django.db.models.deletion
from django.db import migrations, models

import monetization.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_term_discounts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="price",
            name="code",
            field=models.SlugField(db_index=False, max_length=80),
        ),
        migrations.AlterField(
            model_name="priceversion",
            name="price",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="catalog.price",
            ),
        ),
        migrations.AlterField(
            model_name="product",
            name="code",
            field=models.SlugField(db_index=False, max_length=60),
        ),
    ]
