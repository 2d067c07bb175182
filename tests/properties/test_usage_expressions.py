"""An expression over an event's properties is worth the same in Python and in Postgres."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from metering.domain.expressions import ExpressionError, parse
from metering.stores.expression_sql import expression_sql
from metering.stores.postgres import bulk_cursor

NAMES = ["a", "b", "c.d"]
numbers = st.sampled_from(["0", "1", "2", "3", "7", "0.5", "1024", "0.000000000001", "9" * 38])
texts = numbers | st.integers(-9, 9).map(str) | st.sampled_from(["x", "", "1e3", "-0.1", "007"])
properties = st.dictionaries(st.sampled_from(NAMES), texts | st.none() | st.booleans())


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda one: f"-{one}"),
        st.tuples(st.sampled_from(["round", "ceil", "floor", "abs"]), inner).map(
            lambda p: f"{p[0]}({p[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), pairs).map(
            lambda p: f"{p[0]}({p[1][0]}, {p[1][1]})"
        ),
        st.tuples(pairs, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), pairs).map(
            lambda p: f"if({p[0][0]} {p[1]} {p[0][1]}, {p[2][0]}, {p[2][1]})"
        ),
    )


expressions = st.recursive(numbers | st.sampled_from(NAMES), _deeper, max_leaves=12)


@pytest.mark.usefixtures("tenant")
class TestExpressions:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @example("if(b == 0, 0, a / b)", [{"a": "1", "b": "0"}, {"a": "1", "b": "3"}, {"a": "1"}])
    @example("a / 3 * 3", [{"a": "1"}, {"a": "-7"}])
    @example("floor(a / 3) + ceil(a / 3) + round(a / 2)", [{"a": "-5"}, {"a": "5"}, {"a": "6"}])
    @example("a * a", [{"a": "9" * 38}, {"a": "1" * 19}])
    @example("min(a, b)", [{"a": "1"}, {"a": "2", "b": "-1"}])
    @given(expressions, st.lists(properties, min_size=1, max_size=4))
    def test_have_one_exact_value_or_none_in_both(
        self, text: str, events: Sequence[dict[str, Any]]
    ) -> None:
        try:
            expression = parse(text)
        except ExpressionError:
            return  # more factors than an expression may have
        with bulk_cursor() as cursor:
            cursor.execute(
                f"SELECT {expression_sql(text)} FROM unnest(%b::text[])"  # noqa: S608
                " WITH ORDINALITY AS t(data, n), LATERAL (SELECT t.data::jsonb) e(data) ORDER BY n",
                [[orjson.dumps(event).decode() for event in events]],
            )
            stored = [row[0] for row in cursor.fetchall()]

        assert stored == [expression.decimal(event) for event in events]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a +", "ends too early"),
        ("a.__class__(b)", "is not a function we know"),
        ("'a'", "cannot read"),
        ("a; drop", "cannot read"),
        ("if(a, 1, 2)", "needs a comparison first"),
        ("*".join(["a"] * 50), "multiplies more than 40 values"),
        ("(" * 40 + "a" + ")" * 40, "nested deeper"),
    ],
)
def test_what_is_no_safe_arithmetic_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        parse(text)
