"""A mapping says exactly which cell becomes which field, or why it cannot. No database."""

import doctest
from datetime import UTC, datetime
from typing import Any

import pytest

from metering.imports import mapping as module
from metering.imports.mapping import MappingInvalid, parse_mapping
from metering.ingest.parser import Invalid

HEADER = ["client", "hour", "n, total", "note"]
MINIMAL = "id={client}-{hour},customer=client,time=@hour,type='call'"


def read(mapping: str, *row: str, epoch: datetime | None = None) -> Any:
    options = {"epoch": epoch} if epoch else {}
    return parse_mapping(mapping, **options).bind(HEADER)(row)


class TestMapping:
    def test_fills_columns_templates_constants_and_moments(self) -> None:
        item = read(
            MINIMAL + ",source=s/{note},data.total={n, total},data.kind='it''s, {so}'",
            *("acme", "90", "12.50", "x"),
        )

        assert item == {
            "id": "acme-90",
            "customer": "acme",
            "time": "1970-01-01T00:01:30+00:00",
            "type": "call",
            "source": "s/x",
            "data": {"total": "12.50", "kind": "it's, {so}"},
        }

    @pytest.mark.parametrize(
        ("value", "cell", "moment"),
        [
            ("@hour", "600", "2024-01-01T00:10:00+00:00"),
            ("@hour", "0.25", "2024-01-01T00:00:00.250000+00:00"),
            ("@hour", "-1", "2023-12-31T23:59:59+00:00"),
            ("@hour/1000", "1500", "2024-01-01T00:00:01.500000+00:00"),
            ("@{hour}/1000000", "1", "2024-01-01T00:00:00.000001+00:00"),
        ],
    )
    def test_counts_time_from_the_epoch_exactly(self, value: str, cell: str, moment: str) -> None:
        mapping = f"id=client,customer=client,type='c',time={value}"
        item = read(mapping, "a", cell, "", "", epoch=datetime(2024, 1, 1, tzinfo=UTC))

        assert item["time"] == moment

    def test_a_space_between_day_and_clock_is_read_as_databases_write_it(self) -> None:
        mapping = "id=client,customer=client,type='c',time={hour}Z,data.note=note"

        item = read(mapping, "a", "2023-11-16 18:17:03.9799600", "", "2023-11-16 18")

        assert item["time"] == "2023-11-16T18:17:03.9799600Z"
        assert item["data"] == {"note": "2023-11-16 18"}

    def test_leaves_out_a_property_whose_cell_is_blank(self) -> None:
        mapping = MINIMAL + ",data.note=note,data.both={client}/{note}"

        assert read(mapping, "a", "0", "1", " ")["data"] == {}

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            (["", "1", "", ""], "id", "column 'client' is blank"),
            (["a", "soon", "", ""], "time", "column 'hour' must be a plain decimal number"),
            (["a", "9" * 30, "", ""], "time", "is not a moment that exists"),
            (["a", "1", ""], "", "has 3 cells; the header has 4"),
        ],
    )
    def test_refuses_a_row_naming_the_field(self, row: list[str], field: str, reason: str) -> None:
        with pytest.raises(Invalid, match=reason) as refused:
            read(MINIMAL, *row)

        assert refused.value.field == field

    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            ("id=a,customer=b,time=c", "type is missing"),
            ("id=a,id=b", "id is mapped twice"),
            ("ident=a", "'ident' is not a field"),
            ("data.=a", "'data.' is not a field"),
            ("id", "write field=value"),
            ("id=", "id: name a column"),
            ("type='call", "'constant' is not closed"),
            ("type='ca'll'", "'constant' is not closed"),
            ("type='a'b'c'", "must be one 'constant'"),
            ("id={a", r"\{column\} is not closed"),
            ("id=a}", "without {"),
            ("id={}", "must have {column}"),
            ("id=@a", "only time counts from the epoch"),
            ("time=@a/60", "@column/1000"),
            ("time=@", "must be @column"),
        ],
    )
    def test_refuses_what_it_cannot_read_and_says_where(self, mapping: str, message: str) -> None:
        with pytest.raises(MappingInvalid, match=message):
            parse_mapping(mapping)

    def test_refuses_columns_the_file_does_not_have_or_has_twice(self) -> None:
        with pytest.raises(MappingInvalid, match="'hour' is not in the header: client"):
            parse_mapping(MINIMAL).bind(["client"])
        with pytest.raises(MappingInvalid, match="'hour' appears twice"):
            parse_mapping(MINIMAL).bind(["client", "hour", "hour"])

    def test_examples_in_the_docstring_are_true(self) -> None:
        assert doctest.testmod(module).failed == 0
