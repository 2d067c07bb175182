"""An item has its tenant by its job's reference; its own was checked twice."""

import django.db.models.deletion
from django.db import migrations, models

import monetization.tenancy.context


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_covered_indexes"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="jobitem",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                default=monetization.tenancy.context.current_tenant_id,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="tenancy.tenant",
            ),
        ),
    ]
