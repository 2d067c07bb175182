"""What a person writes on a line has a default in the database: computed lines do not name it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0034_tenant_of_parts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="invoiceline",
            name="edited_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="is_manual",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="note",
            field=models.CharField(blank=True, db_default="", default="", max_length=300),
        ),
    ]
