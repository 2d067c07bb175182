"""However a price is spread over months, it is all earned."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from monetization.kernel.money import Money, total
from revrec.domain.recognition import METHODS, earned_by_month


@given(
    st.integers(-(10**9), 10**9),
    st.integers(0, 3 * 10**9),
    st.timedeltas(timedelta(microseconds=1), timedelta(days=1500)),
    st.sampled_from(METHODS),
    st.sampled_from(["JPY", "USD", "KWD"]),
)
def test_the_months_add_up_to_the_price(
    units: int, second: int, span: timedelta, method: str, code: str
) -> None:
    price = Money.rounded(Fraction(units, 100), code)
    first = datetime.fromtimestamp(second, UTC)

    slices = earned_by_month(price, first, first + span, method)

    assert total((part.amount for part in slices), code) == price
    months = [part.month for part in slices]
    assert months == sorted(set(months))
    assert all(month.day == 1 for month in months)
