"""Whatever a company and its customers do, in whatever order: its books stay true.

Lives are drawn step by step over the whole product: contracts, amendments, usage late and
corrected, seats, drafts, invoices, credits, money, months. What the product refuses in words is no
fault; any other exception is. After some steps, and when every contract is over, every check of
``verify`` and the laws of ``tests.scenarios.life.laws`` must hold.

``LIFE_EXAMPLES=500`` draws that many, other ones each time, instead of the few that are kept.
"""

import os
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from monetization.events import services as events
from tests import quick_pdf
from tests.scenarios.life import laws, walk
from tests.scenarios.life.company import found

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", "0"))
LOOKED_AT = 12  # after so many steps the laws are asked
numbers = st.integers(0, walk.MOST - 1)
steps = st.sampled_from(walk.weighted()).flatmap(
    lambda name: st.builds(walk.Step, st.just(name), st.tuples(numbers, numbers, numbers))
)


@pytest.fixture(autouse=True)
def _quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliver events here instead of by a worker; the pages of documents are not looked at."""
    monkeypatch.setattr(events, "_ring", lambda *_: None)
    monkeypatch.setattr(quick_pdf, "_is_real", False)


@settings(
    max_examples=EXAMPLES or 6,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(life=st.lists(steps, min_size=24, max_size=30))
def test_the_books_of_any_life_are_true(life: list[walk.Step]) -> None:
    company = found()
    with mock.patch("django.utils.timezone.now", company.clock):
        for count, step in enumerate(life, start=1):
            walk.take(company, step)
            if count % LOOKED_AT == 0:
                laws.check_all(company)
        laws.check_all(company)
        walk.finish(company)
        laws.check_all(company)
        laws.check_end(company)
    note(f"done {dict(company.done)}, refused {dict(company.refused)}")
