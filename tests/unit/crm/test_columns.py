"""What a cell says is what comes in, whatever it begins with; what it cannot say is named."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.domain.columns import COLUMNS, RowInvalid, cell_in, cell_out, guess, header_of, read_row
from crm.domain.files import FileRefused, read_file

_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
_CELLS = st.one_of(_TEXT, _TEXT.map(lambda text: f"={text}"), _TEXT.map(lambda text: f"''+{text}"))


@given(_CELLS)
def test_a_cell_that_goes_out_comes_in_as_it_was_and_is_never_a_formula(text: str) -> None:
    text = text.strip(" ")
    out = cell_out(text)

    assert cell_in(out) == text
    assert out[:1] not in ("=", "+", "-", "@")


@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_a_file_is_read_with_whatever_separator_and_quotes(
    rows: list[tuple[str, str]], separator: str
) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=separator).writerows([("one", "two"), *rows])
    kept = [list(row) for row in rows if any(cell.strip() for cell in row)]
    if not kept:
        with pytest.raises(FileRefused, match="no rows"):
            read_file(written.getvalue().encode())
        return

    header, found = read_file(written.getvalue().encode())

    assert header == ["one", "two"]
    assert [row.cells for row in found] == kept


def test_a_row_knows_the_line_it_begins_on() -> None:
    _, rows = read_file(b'a,b\r\n1,"two\nlines"\r\n\r\n2,x\r\n')

    assert [(row.line, row.cells[0]) for row in rows] == [(2, "1"), (5, "2")]


@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_our_own_columns_are_guessed_as_themselves(kind: str) -> None:
    found = guess(kind, header_of(kind))

    assert all(field == column for field, column in found.items())
    assert set(found) == {column.name for column in COLUMNS[kind] if not column.is_shown}


def test_what_crms_call_their_columns_is_guessed() -> None:
    assert guess("opportunities", ["Opportunity ID", "AccountId", "Name", "StageName"]) == {
        "external_id": "Opportunity ID",
        "account": "AccountId",
        "name": "Name",
        "stage": "StageName",
    }
    assert guess("contacts", ["Record ID", "Email", "Associated Company ID"]) == {
        "external_id": "Record ID",
        "account": "Associated Company ID",
        "email": "Email",
    }


@pytest.mark.parametrize(
    ("field", "cell", "said"),
    [
        ("amount", "1,200", "plain decimal"),
        ("amount", "-1", "from 0 to"),
        ("amount", "1.23456", "4 decimal places"),
        ("amount", "1000000000000000", "from 0 to"),
        ("currency", "EURO", "code of 3 letters"),
        ("close_on", "31.12.2026", "date like 2026-01-31"),
        ("close_on", "1066-10-14", "from 1970"),
        ("outcome", "closed", "open, won or lost"),
        ("name", "x" * 201, "200 characters"),
    ],
)
def test_what_a_cell_cannot_say_is_named(field: str, cell: str, said: str) -> None:
    mapping = {"external_id": "id", field: "cell"}

    with pytest.raises(RowInvalid, match=said) as refused:
        read_row("opportunities", mapping, ["id", "cell"], ["1", cell])
    assert refused.value.field == field


def test_a_blank_cell_empties_a_field_except_where_something_must_stand() -> None:
    header = ["external_id", "name", "stage", "amount", "currency", "outcome"]
    row = read_row("opportunities", {name: name for name in header}, header, ["1"] + [""] * 5)

    assert row == {"external_id": "1", "stage": "", "amount": None}
