"""Back-pressure: one tenant's flood is refused early, so that the others are served.

Kept in each web process, nothing shared: a limiter must work when all else is down. A tenant
may use every thread of a process while it is alone there; as soon as others are seen, it
may use half.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from rest_framework.exceptions import APIException

SEEN_FOR = 10  # seconds a tenant counts as present after its last request


class TooManyRequests(APIException):
    """The tenant sends faster than its share."""

    status_code = 429
    default_code = "too_many_requests"

    def __init__(self, detail: str, wait: int) -> None:
        super().__init__(detail)
        self.wait = wait  # whole seconds; the answer says one more


@dataclass(slots=True)
class _Use:
    """What a tenant does in this process."""

    in_flight: int = 0
    seen_at: float = 0.0
    allowance: float = 0.0  # events it may still send now


class Limiter:
    """Requests at the same time, and events per second, of each tenant.

    :param places: requests this process works on at the same time.
    :param events_per_second: of one tenant in this process; twice as many at once. 0: any.
    """

    def __init__(self, places: int, events_per_second: int) -> None:
        self.places, self.rate = places, events_per_second
        self._lock = threading.Lock()
        self._uses: dict[UUID, _Use] = {}

    @contextmanager
    def place(self, tenant_id: UUID) -> Iterator[None]:
        """Hold a place while a request is worked on.

        :raises TooManyRequests: if the tenant has as many as it may.
        """
        with self._lock:
            now = time.monotonic()
            use = self._use_of(tenant_id, now)
            others = any(
                other.in_flight or now - other.seen_at < SEEN_FOR
                for known, other in self._uses.items()
                if known != tenant_id
            )
            use.seen_at = now
            if use.in_flight >= (max(1, self.places // 2) if others else self.places):
                raise TooManyRequests("Too many requests at the same time; send fewer.", 0)
            use.in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                use.in_flight -= 1

    def spend(self, tenant_id: UUID, events: int) -> None:
        """Take events out of the tenant's allowance.

        :raises TooManyRequests: if it is used up; ``wait`` says when the batch may come again.
        """
        if not self.rate:
            return
        with self._lock:
            use = self._use_of(tenant_id, time.monotonic())
            if use.allowance <= 0:  # a batch may overdraw it once, so that any batch can pass
                wait = int(-use.allowance / self.rate)
                raise TooManyRequests(f"More than {self.rate:,} events per second.", wait)
            use.allowance -= events

    def _use_of(self, tenant_id: UUID, now: float) -> _Use:
        if len(self._uses) > 1000:
            self._uses = {
                known: use
                for known, use in self._uses.items()
                if use.in_flight or now - use.seen_at < SEEN_FOR
            }
        use = self._uses.get(tenant_id)
        if use is None:
            use = self._uses[tenant_id] = _Use(seen_at=now, allowance=2.0 * self.rate)
        else:
            earned = (now - use.seen_at) * self.rate
            use.allowance = min(2.0 * self.rate, use.allowance + earned)
            use.seen_at = now
        return use


limiter = Limiter(settings.INGEST_PLACES, settings.INGEST_EVENTS_PER_SECOND)
