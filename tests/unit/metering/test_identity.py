"""An event's identity: 128 bits for ever, in the order of time where the id tells it."""

import tracemalloc
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from metering.domain.events import data_json, identity_bytes, identity_hash
from monetization.kernel.ids import uuid7, uuid7_block

texts = st.text(min_size=1, max_size=40)


class TestIdentity:
    def test_of_ids_made_one_after_the_other_follow_each_other(self) -> None:
        early = "01900000-0000-7000-8000-000000000001"
        late = "01900000-0001-7000-8000-000000000000"

        assert identity_bytes("api", early) < identity_bytes("api", late)
        assert identity_bytes("api", early)[:6] == UUID(early).bytes[:6]

    @given(texts, texts, texts)
    def test_differs_by_source_also_when_the_id_tells_the_time(
        self, source: str, other: str, tail: str
    ) -> None:
        for name in (tail, f"{uuid7()}", f"{str(uuid7())[:15]}{tail}"):
            same = source == other
            assert (identity_bytes(source, name) == identity_bytes(other, name)) is same

    def test_takes_no_other_text_for_a_time(self) -> None:
        # Worked out once with sha256sum of "3:apix".
        assert identity_hash("api", "x") == UUID(int=int(PLAIN[:32], 16))
        for name in (
            "0190000g-0000-7000-8000-000000000001",
            "01900000-0000-4000-8000-1",
            "７" * 36,
        ):
            assert len(identity_bytes("api", name)) == 16


PLAIN = "8cf3e32359e66961d1ffa20b0790a48c915b1512240a3968d66b0e144cc40d1a"


class TestIdsInBulk:
    def test_are_of_version_seven_and_strictly_increasing(self) -> None:
        found = uuid7_block(5_000)

        assert found == sorted(set(found))
        assert {UUID(bytes=one).version for one in found} == {7}
        assert {UUID(bytes=one).variant for one in found} == {UUID(int=0x8 << 60).variant}
        assert found[-1] < uuid7().bytes


class TestMeasurements:
    def test_take_no_more_memory_than_they_are_long(self) -> None:
        given = [{"text": f"{number}" * 300} for number in range(100, 300)]
        tracemalloc.start()
        try:
            written = [data_json(one) for one in given]
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert taken < 1.5 * sum(map(len, written))
