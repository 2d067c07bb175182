import django.contrib.postgres.fields
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
        ("documents", "0001_initial"),
        ("quotes", "0001_initial"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApprovalDeputy",
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
                ("absent_email", models.EmailField(max_length=254)),
                ("deputy_email", models.EmailField(max_length=254)),
                ("first_day", models.DateField()),
                ("last_day", models.DateField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
        ),
        migrations.CreateModel(
            name="ApprovalRule",
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
                ("name", models.CharField(max_length=120)),
                ("step", models.PositiveSmallIntegerField(default=1)),
                (
                    "approver_role",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("owner", "Owner"),
                            ("finance", "Finance"),
                            ("revops", "RevOps"),
                            ("engineer", "Engineer"),
                            ("auditor", "Auditor"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "approver_emails",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.EmailField(max_length=254),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "discount_over",
                    models.DecimalField(blank=True, decimal_places=6, max_digits=9, null=True),
                ),
                (
                    "value_over",
                    models.DecimalField(blank=True, decimal_places=4, max_digits=19, null=True),
                ),
                (
                    "margin_below",
                    models.DecimalField(blank=True, decimal_places=6, max_digits=9, null=True),
                ),
                ("term_over_months", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("payment_over_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "currencies",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=3),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "products",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=60),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("has_custom_text", models.BooleanField(default=False)),
                ("valid_days", models.PositiveSmallIntegerField(default=30)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
        ),
        migrations.CreateModel(
            name="ApprovalStep",
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
                ("title", models.CharField(max_length=120)),
                ("step", models.PositiveSmallIntegerField()),
                ("reasons", models.JSONField(default=list)),
                ("approver_role", models.CharField(blank=True, max_length=10)),
                (
                    "approver_emails",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.EmailField(max_length=254),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("facts_sha256", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for an earlier step"),
                            ("open", "Open"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("requested_by", models.CharField(max_length=200)),
                ("requested_at", models.DateTimeField()),
                ("request_comment", models.CharField(blank=True, max_length=1000)),
                ("decided_by", models.CharField(blank=True, max_length=200)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("comment", models.CharField(blank=True, max_length=1000)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
                (
                    "rule",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="quotes.approvalrule",
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
                (
                    "version",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="approvals",
                        to="quotes.quoteversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="QuoteComment",
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
                ("version_number", models.PositiveIntegerField()),
                ("author", models.CharField(max_length=200)),
                ("text", models.TextField()),
                ("is_shared", models.BooleanField(default=False)),
                ("is_from_customer", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                (
                    "quote",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="comments",
                        to="quotes.quote",
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
        ),
        migrations.CreateModel(
            name="QuoteTemplate",
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
                ("name", models.CharField(max_length=120)),
                ("currency", models.CharField(max_length=3)),
                ("payload", models.JSONField()),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
        ),
        migrations.CreateModel(
            name="SignatureEvidence",
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
                ("sequence", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("signed", "Signed here"),
                            ("provider", "Signed at a provider"),
                            ("imported", "Signed elsewhere"),
                        ],
                        default="signed",
                        max_length=8,
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "side",
                    models.CharField(
                        choices=[("customer", "Customer"), ("seller", "Us")], max_length=8
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("email", models.EmailField(max_length=254)),
                ("title", models.CharField(blank=True, max_length=120)),
                ("consent_text", models.TextField()),
                ("ip_address", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=500)),
                ("has_email_code", models.BooleanField(default=False)),
                ("signed_at", models.DateTimeField()),
                ("document_sha256", models.CharField(max_length=64)),
                ("terms_sha256", models.CharField(max_length=64)),
                ("previous_sha256", models.CharField(max_length=64)),
                ("sha256", models.CharField(max_length=64)),
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
                (
                    "version",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="quotes.quoteversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Signer",
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
                ("position", models.PositiveSmallIntegerField()),
                (
                    "side",
                    models.CharField(
                        choices=[("customer", "Customer"), ("seller", "Us")],
                        default="customer",
                        max_length=8,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("email", models.EmailField(max_length=254)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for its turn"),
                            ("invited", "Invited"),
                            ("viewed", "Viewed"),
                            ("signed", "Signed"),
                            ("declined", "Declined"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("invited_at", models.DateTimeField(blank=True, null=True)),
                ("reminded_at", models.DateTimeField(blank=True, null=True)),
                ("signed_at", models.DateTimeField(blank=True, null=True)),
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
                (
                    "version",
                    monetization.tenancy.models.TenantForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signers",
                        to="quotes.quoteversion",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="quoteversion",
            name="quote_version_sent_is_frozen",
        ),
        migrations.AddField(
            model_name="orderform",
            name="evidence_sha256",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="orderform",
            name="signed_document_sha256",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="quote",
            name="amends",
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
            model_name="quote",
            name="kind",
            field=models.CharField(
                choices=[
                    ("new", "New agreement"),
                    ("amendment", "Amendment"),
                    ("renewal", "Renewal"),
                ],
                default="new",
                max_length=9,
            ),
        ),
        migrations.AddField(
            model_name="quoteline",
            name="is_chosen",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="quoteline",
            name="is_optional",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="quotephase",
            name="end_on",
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="asks_email_code",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="change_rule",
            field=models.CharField(blank=True, max_length=14),
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="further_signers",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="renewal_months",
            field=models.PositiveSmallIntegerField(default=12),
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="renewal_notice_days",
            field=models.PositiveSmallIntegerField(default=60),
        ),
        migrations.AddField(
            model_name="quoteversion",
            name="renewal_uplift_percent",
            field=models.DecimalField(decimal_places=6, default=0, max_digits=9),
        ),
        migrations.AddField(
            model_name="signinglink",
            name="code_attempts",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="signinglink",
            name="code_expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="signinglink",
            name="code_sha256",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name="quoteversion",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "Draft"),
                    ("in_approval", "In approval"),
                    ("approved", "Approved"),
                    ("sent", "Sent"),
                    ("viewed", "Viewed"),
                    ("partially_signed", "Partially signed"),
                    ("accepted", "Accepted"),
                    ("declined", "Declined"),
                    ("expired", "Expired"),
                    ("superseded", "Superseded"),
                ],
                default="draft",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="quoteversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["draft", "in_approval", "approved", "superseded"]),
                    models.Q(
                        ("terms__isnull", False),
                        models.Q(("terms_sha256", ""), _negated=True),
                        models.Q(("document_sha256", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="quote_version_sent_is_frozen",
            ),
        ),
        migrations.AddField(
            model_name="signinglink",
            name="signer",
            field=monetization.tenancy.models.TenantForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="links",
                to="quotes.signer",
            ),
        ),
        migrations.AddConstraint(
            model_name="approvaldeputy",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_day__gte", models.F("first_day"))),
                name="approval_deputy_days_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="approvaldeputy",
            constraint=models.CheckConstraint(
                condition=models.Q(("absent_email", models.F("deputy_email")), _negated=True),
                name="approval_deputy_is_somebody_else",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approvaldeputy",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
                    hash="26ce723b4c6f4923ce64cea99690d140c3b08186",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_audited_2f365",
                    table="quotes_approvaldeputy",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrule",
            constraint=models.UniqueConstraint(
                fields=("tenant", "name"), name="approval_rule_name_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approver_emails__len__gt", 0), ("approver_role", "")),
                    models.Q(
                        models.Q(("approver_role", ""), _negated=True), ("approver_emails__len", 0)
                    ),
                    _connector="OR",
                ),
                name="approval_rule_names_its_approvers",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approvalrule",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
                    hash="cc7effef3e301839ade751ced210fc682ac09833",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_audited_22f42",
                    table="quotes_approvalrule",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="approvalstep",
            index=models.Index(fields=["tenant", "status"], name="approval_by_status"),
        ),
        migrations.AddConstraint(
            model_name="approvalstep",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["waiting", "open"])),
                fields=("tenant", "version", "rule"),
                name="approval_asked_once",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approvalstep",
            trigger=pgtrigger.compiler.Trigger(
                name="decision_frozen",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."decided_at" IS NOT NULL)',
                    func="RAISE EXCEPTION 'a decision on an approval never changes';",
                    hash="d3a157776dee261a499fd9661541639683eadc4d",
                    operation="UPDATE",
                    pgid="pgtrigger_decision_frozen_ccb23",
                    table="quotes_approvalstep",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approvalstep",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
                    hash="f99782ab0490eb0bdef822ce51b30fe21ac6f18d",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_audited_ec4e6",
                    table="quotes_approvalstep",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="quotecomment",
            index=models.Index(fields=["tenant", "quote"], name="quote_comment_by_quote"),
        ),
        migrations.AddConstraint(
            model_name="quotecomment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_from_customer", False), ("is_shared", True), _connector="OR"
                ),
                name="quote_comment_of_customer_is_shared",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotecomment",
            trigger=pgtrigger.compiler.Trigger(
                name="quote_comment_immutable",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="6d3b8069090560cee999abc949e8f1b05de354d9",
                    operation="UPDATE",
                    pgid="pgtrigger_quote_comment_immutable_8801b",
                    table="quotes_quotecomment",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="quotetemplate",
            constraint=models.UniqueConstraint(
                fields=("tenant", "name"), name="quote_template_name_once"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="quotetemplate",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
                    hash="db72b06dbeb4c732ec0eb52d940c6bf41c5f4ad0",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_audited_92151",
                    table="quotes_quotetemplate",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="signatureevidence",
            constraint=models.UniqueConstraint(
                fields=("tenant", "sequence"), name="evidence_sequence_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="signatureevidence",
            constraint=models.UniqueConstraint(
                fields=("tenant", "version", "position"), name="evidence_once_per_signer"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="signatureevidence",
            trigger=pgtrigger.compiler.Trigger(
                name="evidence_immutable",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="d0a815b8409b08ba067e0bef845c8788c8964677",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_evidence_immutable_4d478",
                    table="quotes_signatureevidence",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="signer",
            constraint=models.UniqueConstraint(
                fields=("tenant", "version", "position"), name="signer_position_once"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="signer",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="PERFORM record_audit(TG_TABLE_NAME::text, TG_OP, CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END, CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END); RETURN NULL;",
                    hash="575678b7f4556a2c5e393aa315a5b8dc4b927629",
                    operation="INSERT OR UPDATE OR DELETE",
                    pgid="pgtrigger_audited_4a917",
                    table="quotes_signer",
                    when="AFTER",
                ),
            ),
        ),
        IsolateTables(
            "ApprovalDeputy",
            "ApprovalRule",
            "ApprovalStep",
            "QuoteComment",
            "QuoteTemplate",
            "SignatureEvidence",
            "Signer",
        ),
        AddCompositeForeignKey("SigningLink", "signer"),
        AddCompositeForeignKey("Quote", "amends"),
    ]
