"""One company's flood leaves room for the others."""

from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

from metering.ingest import limits
from metering.ingest.limits import Limiter, TooManyRequests
from monetization.interface.problems import exception_handler

FLOOD, QUIET = uuid4(), uuid4()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    now = [100.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    return now


def taken(limiter: Limiter, tenant: Any, stack: ExitStack) -> int:
    """Return how many places a tenant gets until it is refused."""
    for number in range(100):
        try:
            stack.enter_context(limiter.place(tenant))
        except TooManyRequests:
            return number
    return 100


class TestPlaces:
    def test_a_company_alone_may_use_all(self, clock: Any) -> None:
        with ExitStack() as stack:
            assert taken(Limiter(4, 0), FLOOD, stack) == 4

    def test_half_when_another_is_there(self, clock: Any) -> None:
        limiter = Limiter(4, 0)
        with limiter.place(QUIET):
            pass
        with ExitStack() as stack:
            assert taken(limiter, FLOOD, stack) == 2
            with limiter.place(QUIET):
                pass

    def test_all_again_when_the_other_is_gone(self, clock: Any) -> None:
        limiter = Limiter(4, 0)
        with limiter.place(QUIET):
            pass
        clock[0] += limits.SEEN_FOR + 1
        with ExitStack() as stack:
            assert taken(limiter, FLOOD, stack) == 4

    def test_a_place_is_given_back_when_the_request_fails(self, clock: Any) -> None:
        limiter = Limiter(1, 0)
        with pytest.raises(ZeroDivisionError), limiter.place(FLOOD):
            _ = 1 / 0
        with limiter.place(FLOOD):
            pass


class TestRate:
    def test_is_refused_above_and_says_when_to_come_again(self, clock: Any) -> None:
        limiter = Limiter(4, 1000)
        limiter.spend(FLOOD, 5000)  # a batch may overdraw

        with pytest.raises(TooManyRequests) as refused:
            limiter.spend(FLOOD, 1)
        clock[0] += refused.value.wait + 1
        limiter.spend(FLOOD, 1)

    def test_is_each_companys_own(self, clock: Any) -> None:
        limiter = Limiter(4, 1000)
        limiter.spend(FLOOD, 9000)

        limiter.spend(QUIET, 1000)

    def test_holds_over_time(self, clock: Any) -> None:
        limiter, sent = Limiter(4, 1000), 0
        for _ in range(1000):
            clock[0] += 0.01
            try:
                limiter.spend(FLOOD, 100)
                sent += 100
            except TooManyRequests:
                continue
        assert 10_000 <= sent <= 12_200  # ten seconds, and what may be sent at once


@pytest.mark.parametrize("wait", [0, 3])
def test_the_answer_says_when_to_come_again(wait: int) -> None:
    answer = exception_handler(TooManyRequests("slower", wait), {})

    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (429, str(wait + 1))
