"""NDJSON and Parquet come in as CSV does: exact, resumable, with bounded memory."""

import gzip
import json
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from metering.imports import converting
from metering.imports.files import FileUnreadable
from metering.selectors import list_events
from tests.factories_billing import make_customer

E1 = b'{"id": "e1", "account": "acme", "at": "2026-10-01T10:00:00Z", '
E2 = b'{"id": "e2", "account": "acme", "at": "2026-10-01T11:00:00Z", '
LINES = (
    E1 + b'"data": {"n": 0.10, "deep": {"x": 1}}}\n\n'
    + E2 + b'"data": {"n": 12345678901234567890.123}, "more": true}\n'
    b'{"id": "e3", "account": "acme", "at": "never", "tags": ["a", 1.50]}\n'
)  # fmt: skip
MAP = "id=id,customer=account,time=at,type='call',data.n={data.n}"


def write(folder: Path, content: bytes, name: str = "usage.dat") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def rows(path: Path) -> list[str]:
    target = BytesIO()
    converting.write_csv(path, target)
    return target.getvalue().decode().splitlines()


def test_ndjson_becomes_rows_with_the_names_of_all_records(tmp_path: Path) -> None:
    found = rows(write(tmp_path, b"\xef\xbb\xbf" + LINES))
    assert found == [
        "id,account,at,data.n,data.deep.x,more,tags",
        "e1,acme,2026-10-01T10:00:00Z,0.10,1,,",
        "e2,acme,2026-10-01T11:00:00Z,12345678901234567890.123,,true,",
        'e3,acme,never,,,,"[""a"", ""1.50""]"',
    ]
    assert rows(write(tmp_path, gzip.compress(LINES))) == found


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
        (b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        (b'{"a": 1, "a": 2}\n', "a name is there twice"),
        (b'{"a": "\xff"}\n', "line 1 is not UTF-8"),
        (b"{}\n", "has no record"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        (json.dumps({str(n): n for n in range(1001)}).encode(), "1,001 columns"),
        (b'{"a": "' + b"x" * 2_000_000 + b'"}\n', "more than 1 MB"),
    ],
)
def test_what_is_not_ndjson_is_refused_with_its_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    with pytest.raises(FileUnreadable, match=why):
        rows(write(tmp_path, content))


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow, which reads Parquet, is not installed")
    with pytest.raises(FileUnreadable, match="damaged Parquet"):
        rows(write(tmp_path, b"PAR1 and nothing else"))


def test_parquet_becomes_rows_and_stays_exact(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow, which reads Parquet, is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    moment = datetime(2026, 10, 1, 10, tzinfo=UTC)
    table = arrow.table(
        {
            "id": ["e1", "e2"],
            "at": arrow.array([moment, None], arrow.timestamp("ns", tz="UTC")),
            "local": arrow.array([moment.replace(tzinfo=None)] * 2, arrow.timestamp("ms")),
            "n": arrow.array([Decimal("0.100000000001"), None], arrow.decimal128(38, 12)),
            "f": [0.1, 1e-7],
            "big": arrow.array([2**63 - 1, -1], arrow.int64()),
            "ok": [True, False],
            "tags": [["a"], None],
        }
    )
    path = tmp_path / "usage"
    parquet.write_table(table, path)
    assert rows(path) == [
        "id,at,local,n,f,big,ok,tags",
        "e1,2026-10-01T10:00:00Z,2026-10-01T10:00:00Z,0.100000000001,0.1,9223372036854775807,true,"
        '"[""a""]"',
        "e2,,2026-10-01T10:00:00Z,,0.0000001,-1,false,",
    ]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = b'{"id": "e%d", "account": "acme", "n": 1}\n'
    peaks = []
    for count in (2_000, 40_000):
        path = write(tmp_path, b"".join(line % n for n in range(count)))
        tracemalloc.start()
        with (tmp_path / "out").open("wb") as target:
            converting.write_csv(path, target)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000


def test_a_file_of_json_lines_is_imported_once_with_its_rejects(
    tenant: Any, tmp_path: Path, settings: Any
) -> None:
    settings.VAR_DIR = tmp_path
    make_customer("Acme")
    path = write(tmp_path, LINES, "usage.ndjson")
    said = StringIO()
    call_command("import_usage", str(path), mapping=MAP, dry_run=True, stdout=said)
    assert "2 created" in said.getvalue()
    for expected in ("2 created", "2 duplicate"):
        said = StringIO()
        call_command("import_usage", str(path), mapping=MAP, stdout=said)
        assert expected in said.getvalue()
    values = {row.source_event_id: row.data["n"] for row in list_events()}
    assert values == {"e1": "0.10", "e2": "12345678901234567890.123"}
    assert "never" in (tmp_path / "usage.ndjson.rejects.csv").read_text()
