"""What invoices are computed from notes its changes, so that finding what is due is one look each.

Rows are only added: who writes inputs never waits for another who does. A day later nothing asks
for them any more, and the sweep takes them away.
"""

from django.db import migrations, models

from monetization.tenancy.operations import row_level_security_sql

TABLE = """
CREATE TABLE billing_inputchange (
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,      -- an invoice, a schedule or a customer
    xact bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subject_id, xact, id)
)
"""
BY_AGE = "CREATE INDEX billing_inputchange_by_age ON billing_inputchange USING brin (at)"

# Whose invoices a row matters to, by table.
SUBJECTS = {
    "billing_invoice": ("id", "schedule_id"),  # a later one is held against it
    "billing_invoiceline": ("invoice_id",),
    "billing_billingperiod": ("invoice_id",),
    "billing_billingschedule": ("id",),
    "billing_seatbalance": ("schedule_id",),
    "billing_usageestimate": ("schedule_id",),
    "billing_creditgrant": ("customer_id",),
    "billing_customerbilling": ("customer_id",),
    "billing_customertaxrate": ("customer_id",),
    "billing_documentrecipient": ("customer_id",),
    "customers_customer": ("id",),
}
# What of an invoice matters: its being sent, paid or tested does not.
_WATCHED = (
    "tenant_id, id, schedule_id, status, number, bill_on, threshold_number, subtotal_amount,"
    " tax_amount, total_amount, credited_amount, calculated_at, tax_treatment, tax_percent,"
    " tax_method, prices_include_tax, change_note, purchase_order"
)
# By their values, not joined by their keys: a plan made for one row is kept for thousands.
_CHANGED = {
    "billing_invoice": (
        f"(SELECT {_WATCHED} FROM new_rows"  # noqa: S608
        f" EXCEPT SELECT {_WATCHED} FROM old_rows)"
    )
}
_MOVED = "(SELECT {0} FROM new_rows UNION SELECT {0} FROM old_rows)"


def _note(table: str, rows: str) -> str:
    values = ", ".join(f"(r.{column})" for column in SUBJECTS[table])
    return (
        "INSERT INTO billing_inputchange (tenant_id, subject_id)"  # noqa: S608 - from above
        f" SELECT DISTINCT r.tenant_id, v.subject_id FROM {rows} r"
        f" CROSS JOIN LATERAL (VALUES {values}) AS v(subject_id)"
        " WHERE v.subject_id IS NOT NULL;"
    )


def _function(table: str) -> str:
    both = _MOVED.format(", ".join(("tenant_id", *SUBJECTS[table])))
    return f"""
CREATE FUNCTION {table}_noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_note(table, "new_rows")}
    ELSIF TG_OP = 'UPDATE' THEN
        {_note(table, _CHANGED.get(table, both))}
    ELSE
        {_note(table, "old_rows")}
    END IF;
    RETURN NULL;
END $$
"""


_REFERENCING = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}
NOTE = [
    statement
    for table in SUBJECTS
    for statement in (
        _function(table),
        *(
            f"CREATE TRIGGER input_noted_{event.lower()} AFTER {event} ON {table}"
            f" REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION {table}_noted()"
            for event, tables in _REFERENCING.items()
        ),
    )
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0026_customer_tax_rates"),
        ("customers", "0002_references"),
    ]

    operations = [
        *(
            migrations.AddField(model_name="calculationmark", name=name, field=field)
            for name, field in (
                ("company", models.CharField(db_default="", default="", max_length=32)),
                ("seen", models.TextField(db_default="1:1:", default="1:1:")),
                ("seen_from", models.BigIntegerField(db_default=0, default=0)),
                ("kept_by", models.BigIntegerField(null=True)),
                ("kept_change", models.BigIntegerField(null=True)),
                ("kept_at", models.DateTimeField(null=True)),
                ("next_start", models.DateTimeField(null=True)),
                ("usage_from", models.DateTimeField(null=True)),
                ("usage_until", models.DateTimeField(null=True)),
                ("is_summed", models.BooleanField(db_default=False, default=False)),
            )
        ),
        migrations.RunSQL(
            [TABLE, BY_AGE, *NOTE, *row_level_security_sql("billing_inputchange")],
            [
                *(f"DROP FUNCTION {table}_noted() CASCADE" for table in SUBJECTS),
                "DROP TABLE billing_inputchange",
            ],
        ),
    ]
