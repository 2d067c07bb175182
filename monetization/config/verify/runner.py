"""Run the checks of one tenant on one snapshot of the database."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from monetization.config.verify.base import CHECKS, Books, Check, Found
from monetization.tenancy.context import tenant_context


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check on one tenant."""

    check: Check
    found: Found
    seconds: float

    @property
    def is_ok(self) -> bool:
        return not self.found.differing


@dataclass(frozen=True, slots=True)
class TenantReport:
    """Every check on one tenant."""

    slug: str
    outcomes: tuple[Outcome, ...]

    @property
    def is_ok(self) -> bool:
        return all(outcome.is_ok for outcome in self.outcomes)


def verify_tenant(tenant_id: UUID, slug: str, *, only: Sequence[str] = ()) -> TenantReport:
    """Run the checks as of one moment, so that work going on meanwhile is no difference.

    :param only: ids of checks, or of invariants (``I01``); all when empty.
    """
    with _one_snapshot(), tenant_context(tenant_id, actor="verify"):
        books = Books()
        return TenantReport(slug, tuple(_run(check, books) for check in selected(only)))


def selected(only: Sequence[str]) -> list[Check]:
    """Return the checks with these ids, in order.

    :raises KeyError: naming an id that is no check and no invariant.
    """
    for wanted in only:
        if not any(_is(check, wanted) for check in CHECKS.values()):
            raise KeyError(wanted)
    chosen = [c for c in CHECKS.values() if not only or any(_is(c, wanted) for wanted in only)]
    return sorted(chosen, key=lambda check: _order(check.id))


def _is(check: Check, wanted: str) -> bool:
    return wanted in (check.id, check.id.partition(".")[0])


def _order(id: str) -> tuple[str, int]:
    invariant, _, position = id.partition(".")
    return invariant, int(position)


def _run(check: Check, books: Books) -> Outcome:
    started = time.monotonic()
    try:
        with transaction.atomic():  # a savepoint: a broken row must not end the other checks
            found = check.run(books)
    except Exception as error:
        sentence = f"could not be checked: {type(error).__name__}: {error}"
        found = Found(compared=0, of="rows", differing=1, samples=(sentence,))
    return Outcome(check, found, time.monotonic() - started)


@contextmanager
def _one_snapshot() -> Iterator[None]:
    if connection.in_atomic_block:  # somebody else's transaction decides, as in a test
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
