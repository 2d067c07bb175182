"""Meters with every aggregation, expressions, groups; quantities of any number of events."""

from django.db import migrations, models

# Values of expressions: what Python computes in metering/domain/expressions.py, exactly. A pair is
# what is above and below the line of a fraction; what is below is positive.
FUNCTIONS = r"""
CREATE FUNCTION usage_number(data jsonb, name text) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN data ->> name ~ '^-?(0|[1-9][0-9]{0,37})(\.[0-9]{1,12})?$'
                THEN (data ->> name)::numeric END $$;
CREATE FUNCTION usage_value(value numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(value) < 1e38 THEN value END $$;
CREATE FUNCTION usage_least(a numeric, b numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN a <= b THEN a WHEN b < a THEN b END $$;
CREATE FUNCTION usage_greatest(a numeric, b numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN a >= b THEN a WHEN b > a THEN b END $$;
CREATE FUNCTION usage_ratio_add(a numeric[], b numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY[a[1] * b[2] + b[1] * a[2], a[2] * b[2]] $$;
CREATE FUNCTION usage_ratio_subtract(a numeric[], b numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY[a[1] * b[2] - b[1] * a[2], a[2] * b[2]] $$;
CREATE FUNCTION usage_ratio_multiply(a numeric[], b numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY[a[1] * b[1], a[2] * b[2]] $$;
CREATE FUNCTION usage_ratio_divide(a numeric[], b numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN b[1] > 0 THEN ARRAY[a[1] * b[2], a[2] * b[1]]
                WHEN b[1] < 0 THEN ARRAY[- a[1] * b[2], - a[2] * b[1]] END $$;
CREATE FUNCTION usage_ratio_negative(a numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT ARRAY[- a[1], a[2]] $$;
CREATE FUNCTION usage_ratio_absolute(a numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT ARRAY[abs(a[1]), a[2]] $$;
CREATE FUNCTION usage_ratio_compare(a numeric[], b numeric[]) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT sign(a[1] * b[2] - b[1] * a[2]) $$;
CREATE FUNCTION usage_ratio_least(a numeric[], b numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN a[1] * b[2] <= b[1] * a[2] THEN a ELSE b END $$;
CREATE FUNCTION usage_ratio_greatest(a numeric[], b numeric[]) RETURNS numeric[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN a[1] * b[2] >= b[1] * a[2] THEN a ELSE b END $$;
CREATE FUNCTION usage_ratio_floor(a numeric[]) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT div(a[1], a[2]) - CASE WHEN mod(a[1], a[2]) < 0 THEN 1 ELSE 0 END $$;
-- Half away from zero. Null where the sum above the line is null: nothing was counted.
CREATE FUNCTION usage_ratio_round(a numeric[], places int) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT sign(a[1]) * div(2 * abs(a[1]) * ('1e' || places)::numeric + a[2], 2 * a[2])
           * ('1e-' || places)::numeric $$;
"""
DROPS = [
    "DROP FUNCTION usage_number(jsonb, text)",
    "DROP FUNCTION usage_value(numeric)",
    "DROP FUNCTION usage_ratio_round(numeric[], int)",
    *(f"DROP FUNCTION usage_{name}(numeric, numeric)" for name in ("least", "greatest")),
    *(
        f"DROP FUNCTION usage_ratio_{name}(numeric[], numeric[])"
        for name in ("add", "subtract", "multiply", "divide", "compare", "least", "greatest")
    ),
    *(f"DROP FUNCTION usage_ratio_{name}(numeric[])" for name in ("negative", "absolute", "floor")),
]


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0005_meter_versions"),
        ("tenancy", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, DROPS),
        migrations.RemoveConstraint(
            model_name="meter",
            name="meter_value_property_unless_count",
        ),
        migrations.AddField(
            model_name="meter",
            name="carries_over",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="meter",
            name="expression",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="meter",
            name="group_by",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="meterversion",
            name="carries_over",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="meterversion",
            name="expression",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="meterversion",
            name="group_by",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="usagereading",
            name="time_zone",
            field=models.CharField(default="UTC", max_length=60),
        ),
        migrations.AlterField(
            model_name="meter",
            name="aggregation",
            field=models.CharField(
                choices=[
                    ("count", "Count of events"),
                    ("sum", "Sum"),
                    ("max", "Maximum"),
                    ("min", "Minimum"),
                    ("latest", "Latest value"),
                    ("average", "Average"),
                    ("count_unique", "Count of distinct values"),
                    ("weighted_sum", "Level weighted by time"),
                    ("prorated_sum", "Level weighted by days"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="meterversion",
            name="aggregation",
            field=models.CharField(
                choices=[
                    ("count", "Count of events"),
                    ("sum", "Sum"),
                    ("max", "Maximum"),
                    ("min", "Minimum"),
                    ("latest", "Latest value"),
                    ("average", "Average"),
                    ("count_unique", "Count of distinct values"),
                    ("weighted_sum", "Level weighted by time"),
                    ("prorated_sum", "Level weighted by days"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="usagereading",
            name="quantity",
            field=models.DecimalField(decimal_places=12, max_digits=60),
        ),
        migrations.AddConstraint(
            model_name="meter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("aggregation", "count"),
                    models.Q(("expression", ""), ("value_property", ""), _negated=True),
                    _connector="OR",
                ),
                name="meter_value_unless_count",
            ),
        ),
    ]
