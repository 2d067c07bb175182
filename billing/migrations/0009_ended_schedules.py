import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import monetization.kernel.ids
import monetization.tenancy.context
import monetization.tenancy.models
from monetization.tenancy.operations import AddCompositeForeignKey, IsolateTables


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_invoice_approvals"),
        ("quotes", "0005_counted_from"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingschedule",
            name="ended_by",
            field=monetization.tenancy.models.TenantForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="quotes.orderform",
            ),
        ),
        migrations.AddField(
            model_name="billingschedule",
            name="ended_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="UnusedTime",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=monetization.kernel.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("item_key", models.CharField(max_length=100)),
                ("service_start", models.DateField()),
                ("service_end", models.DateField()),
                ("amount", models.DecimalField(decimal_places=4, max_digits=19)),
                ("given_back_line", models.UUIDField()),
                (
                    "invoice_line",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="unused_time",
                        to="billing.invoiceline",
                    ),
                ),
                (
                    "schedule",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="unused_time",
                        to="billing.billingschedule",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        default=monetization.tenancy.context.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "invoice_line"), name="unused_time_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0)), name="unused_time_not_negative"
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="unusedtime",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
                    hash="81683679132c2c0c421ee2f732cdb894b820f054",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_audited_6a18e",
                    table="billing_unusedtime",
                    when="AFTER",
                ),
            ),
        ),
        IsolateTables("UnusedTime"),
        AddCompositeForeignKey("BillingSchedule", "ended_by"),
    ]
