"""What quotes are made of, as a file for CRMs."""

import csv
import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from crm.services.records import save_record
from quotes import services
from tests.factories_billing import make_customer
from tests.integration.crm.conftest import NOW, SOURCE
from tests.integration.quotes.conftest import browser
from tests.scenarios.deals import line, make_products, phase


@pytest.fixture
def company(db: None, make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


def test_the_rows_of_a_quote_add_up_to_its_contract_value(
    company: Any, inside: Callable[[], Any]
) -> None:
    with inside():
        make_products()
        quote = services.create_quote(
            customer_id=make_customer().id, title="=Ramp", start_on=date(2027, 1, 1), now=NOW
        )
        version = services.save_draft(
            version_id=quote.versions.get().id,
            payload={
                "phases": [
                    phase(
                        line("platform", "100"),
                        line("crm", "10", quantity="5"),
                        line("calls", "0.01"),
                        name="Year 1",
                        discount_percent="10",
                        minimum_amount="20",
                        minimum_frequency="monthly",
                    ),
                    phase(line("platform", "120"), line("setup", "500", frequency="one_time")),
                ]
            },
        )
        save_record(
            "quotes",
            SOURCE,
            {"external_id": "0Q0A", "number": quote.number, "title": "=Ramp"},
            NOW,
        )
        services.create_quote(
            customer_id=quote.customer_id, title="Empty", start_on=date(2027, 1, 1), now=NOW
        )
    address = f"/crm/export/quote_lines.csv?source={SOURCE}"

    answer = browser(company, "revops").get(address)
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))

    # A year at 100 and at 5 x 10, both less 10 %; usage commits to its minimum of 20 a month.
    assert [(row["phase"], row["product"], row["kind"], row["amount"]) for row in rows] == [
        ("Year 1", "platform", "fixed", "1080.00"),
        ("Year 1", "crm", "seat", "540.00"),
        ("Year 1", "calls", "usage", "0.00"),
        (rows[3]["phase"], "platform", "fixed", "1440.00"),
        (rows[3]["phase"], "setup", "fixed", "500.00"),
        ("Year 1", "", "minimum", "240.00"),
    ]
    assert {(row["quote"], row["number"]) for row in rows} == {("0Q0A", quote.number)}
    assert sum(Decimal(row["amount"]) for row in rows) == version.total_contract_value
    assert browser(company, "engineer").get(address).status_code == 404
