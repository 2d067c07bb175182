"""A row that is part of another has its tenant by that row's reference; its own was checked twice."""

import django.db.models.deletion
from django.db import migrations, models

import monetization.tenancy.context


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0002_covered_indexes"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="posting",
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
