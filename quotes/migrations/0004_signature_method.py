from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("quotes", "0003_line_modifiers")]

    operations = [
        migrations.AddField(
            model_name="quoteversion",
            name="signature_method",
            field=models.CharField(default="link", max_length=30),
        ),
    ]
