"""Identities are claimed together where all are new, and one by one where some are known."""

from hashlib import sha256
from typing import Any

import pytest

from metering.stores import claims
from monetization.kernel.ids import uuid7_block
from monetization.tenancy.context import tenant_context


def claim(*names: str, says: str = "") -> tuple[set[bytes], claims.Known]:
    keys = sorted(sha256(name.encode()).digest()[:16] for name in names)
    payloads = [sha256(key + says.encode()).digest() for key in keys]
    return claims.claim_identities(keys, payloads, uuid7_block(len(keys)), lock_wait="10s")


def key(name: str) -> bytes:
    return sha256(name.encode()).digest()[:16]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Notes of each claim whether it began as one of all."""
    noted: list[bool] = []
    asked = claims._expects_all_new

    def noting() -> bool:
        noted.append(asked())
        return noted[-1]

    monkeypatch.setattr(claims, "BATCHES_ASKED", 2)
    monkeypatch.setattr(claims, "_expects_all_new", noting)
    return noted


@pytest.mark.usefixtures("tenant")
class TestClaims:
    def test_of_a_batch_with_one_that_is_known_hold_the_others(self) -> None:
        claim("a", "b")

        claimed, known = claim("a", "c", "d", says="otherwise")

        assert claimed == {key("c"), key("d")}
        assert set(known) == {key("a")}
        assert known[key("a")][0] == sha256(key("a")).digest()  # the first is kept
        assert claim("a", "b", "c", "d")[0] == set()

    def test_ask_about_each_for_a_while_after_a_repeat(self, together: list[bool]) -> None:
        for names in ("ab", "bc", "de", "fg", "hi"):
            claim(*names)

        assert together == [True, True, False, False, True]

    def test_go_on_asking_while_repeats_come(self, together: list[bool]) -> None:
        for names in ("ab", "ab", "bc", "cd", "de", "fg", "hi"):
            claim(*names)

        assert together == [True, True, False, False, False, False, False]


@pytest.mark.django_db(transaction=True)
def test_one_company_s_repeats_are_nothing_to_another(
    make_tenant: Any, together: list[bool]
) -> None:
    for company in (first := make_tenant(), make_tenant()):
        with tenant_context(company.id):
            claim("a")
    for company in (first, make_tenant()):
        with tenant_context(company.id):
            assert claim("a")[0] == (set() if company is first else {key("a")})
            claim("b")

    assert together == [True, True, True, False, True, True]
