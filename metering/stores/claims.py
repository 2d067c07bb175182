"""Who was first: identities of events are claimed by their unique key, a batch at once.

Most batches bring nothing that is known. Those are claimed together, by a function that gives up
as a whole where one identity is known; a company whose batch it gave up on is then asked about
each identity for a while, which costs a fifth more than what is new and much less than giving up.
"""

from collections.abc import Sequence
from uuid import UUID

from metering.stores import arrays
from metering.stores.postgres import USAGE_LOCK, bulk_cursor
from monetization.tenancy.context import current_tenant_id

Known = dict[bytes, tuple[bytes, bytes]]  # by key: payload hash and event id

_TOGETHER = "SELECT metering_claim_new(%b::uuid[], %b::bytea[], %b::uuid[], %b::text)"
_EACH = (
    "INSERT INTO metering_usagekey (tenant_id, key_hash, payload_hash, event_id)"
    " SELECT (SELECT current_tenant_id()), u.key, u.payload, u.event"
    " FROM (SELECT unnest(%b::uuid[]) AS key, unnest(%b::bytea[]) AS payload,"
    " unnest(%b::uuid[]) AS event) u"
    f" WHERE (SELECT pg_advisory_xact_lock_shared({USAGE_LOCK})::text) IS NOT NULL"
    " ON CONFLICT DO NOTHING RETURNING uuid_send(key_hash)"
)
# The limit makes Postgres look up key by key. Without it, it reads all keys of a company
# it has no statistics about yet: it takes them for few.
_KNOWN = (
    "SELECT uuid_send(u.key), k.payload_hash, uuid_send(k.event_id)"
    " FROM unnest(%b::uuid[]) AS u(key) CROSS JOIN LATERAL ("
    " SELECT payload_hash, event_id FROM metering_usagekey"
    " WHERE tenant_id = (SELECT current_tenant_id()) AND key_hash = u.key LIMIT 1) k"
)

BATCHES_ASKED = 100  # of each identity, after one that was known
_MAX_COMPANIES = 10_000
_asked: dict[UUID, int] = {}  # of a company: for how many batches more; in this process


def claim_identities(
    keys: Sequence[bytes],
    payloads: Sequence[bytes],
    ids: Sequence[bytes],
    *,
    lock_wait: str | None = None,
) -> tuple[set[bytes], Known]:
    """Claim keys, sorted, with payload hash and event id; the unique key decides who was first.

    :param lock_wait: how long this transaction waits for any lock, "10s"; None: as long as set.
    :returns: the keys claimed now, and for the others what is known under them; an empty
        payload hash is a reservation by a correction.
    """
    values = [arrays.uuids(keys), arrays.blobs(payloads), arrays.uuids(ids)]
    with bulk_cursor() as cursor:
        if _expects_all_new():
            cursor.execute(_TOGETHER, [*values, lock_wait], prepare=True)
            if cursor.fetchone() == (True,):
                return set(keys), {}
        elif lock_wait is not None:  # before: a statement locks its tables before it does anything
            cursor.execute("SELECT set_config('lock_timeout', %b, true)", [lock_wait], prepare=True)
        cursor.execute(_EACH, values, binary=True, prepare=True)
        if cursor.rowcount == len(keys):
            return set(keys), {}
        claimed = {row[0] for row in cursor.fetchall()}
    _expect_repeats()
    return claimed, known_identities([key for key in keys if key not in claimed])


def known_identities(keys: Sequence[bytes]) -> Known:
    """Return payload hash and event id of those keys that are known."""
    with bulk_cursor() as cursor:
        cursor.execute(_KNOWN, [arrays.uuids(keys)], binary=True, prepare=True)
        return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}


def _expects_all_new() -> bool:
    """Say whether the bound company's batches have brought nothing known lately."""
    left = _asked.get(current_tenant_id(), 0)
    if left:
        _asked[current_tenant_id()] = left - 1
    return not left


def _expect_repeats() -> None:
    if len(_asked) >= _MAX_COMPANIES:
        _asked.clear()
    _asked[current_tenant_id()] = BATCHES_ASKED
