from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("quotes", "0004_signature_method"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="quotephase",
            name="end_on",
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="counted_from",
            field=models.DateField(blank=True, null=True),
        ),
    ]
