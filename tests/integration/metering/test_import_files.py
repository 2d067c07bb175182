"""Cutting a file changes nothing about what its rows say. No database."""

import gzip
import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.imports import files
from metering.imports.files import FileUnreadable


def whole(content: bytes) -> list[tuple[int, list[str], bool]]:
    stream = io.BytesIO(content)
    _, header = files.read_header(stream)
    rows = files.records(stream, start=header.end, end=None, line=header.line + 1)
    return [(row.line, row.cells, bool(row.problem)) for row in rows]


def in_parts(content: bytes, size: int) -> list[tuple[int, list[str], bool]]:
    parts = list(files.cut(io.BytesIO(content), records_per_part=size))
    for before, after in pairwise(parts):
        assert before.end == after.start
    return [
        (row.line, row.cells, bool(row.problem))
        for part in parts
        for row in files.records_of(content[part.start : part.end], line=part.first_line)
    ]


class TestParts:
    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.text(alphabet='ab,"\n\r\xe9', max_size=12), max_size=12),
        st.integers(min_value=1, max_value=4),
    )
    def test_read_one_by_one_they_give_the_rows_of_the_whole(
        self, lines: list[str], size: int
    ) -> None:
        content = ("a,b\n" + "\n".join(lines)).encode()

        assert in_parts(content, size) == whole(content)

    def test_a_quoted_line_break_stays_inside_its_row(self) -> None:
        content = b'a,b\n1,"x\ny"\n2,z\n'

        assert in_parts(content, 1) == [(2, ["1", "x\ny"], False), (4, ["2", "z"], False)]

    def test_a_quote_that_never_closes_spoils_its_own_line_only(self) -> None:
        rows = whole(b'a,b\n1,"x\n2,y\n3,z\n')

        assert rows == [(2, [], True), (3, ["2", "y"], False), (4, ["3", "z"], False)]

    def test_a_line_that_is_not_utf8_is_marked(self) -> None:
        assert [bad for _, _, bad in whole(b"a,b\n1,\xff\n2,\xc3\xa9\n")] == [True, False]


class TestFiles:
    def test_gzip_is_known_by_its_content_whatever_the_name(self, tmp_path: Path) -> None:
        packed = tmp_path / "usage.csv"
        packed.write_bytes(gzip.compress(b"a,b\n1,2\n"))

        files.copy_plain(packed, tmp_path / "copy")

        assert (tmp_path / "copy").read_bytes() == b"a,b\n1,2\n"

    def test_a_byte_order_mark_is_no_part_of_the_first_column(self) -> None:
        header, _ = files.read_header(io.BytesIO(b"\xef\xbb\xbfa, b\n"))

        assert header == ["a", "b"]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-9], "cut short or damaged gzip"),
            (b"\x1f\x8bnot gzip at all", "damaged gzip"),
        ],
        ids=["cut short", "not gzip"],
    )
    def test_damaged_gzip_is_refused(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "usage.csv.gz"
        path.write_bytes(content)

        with pytest.raises(FileUnreadable, match=message):
            files.copy_plain(path, tmp_path / "copy")

    def test_a_file_without_a_header_or_with_endless_lines_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileUnreadable, match="first line must name the columns"):
            files.read_header(io.BytesIO(b"\n1,2\n"))
        with pytest.raises(FileUnreadable, match="more than 1 MB"):
            files.read_header(io.BytesIO(b"x" * files.MAX_LINE))
        with pytest.raises(FileUnreadable, match="No such file"):
            files.copy_plain(tmp_path / "none", tmp_path / "copy")
