"""Quotes over the API: drafted, sent, revised."""

from base64 import b64encode
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import time_machine
from pypdf import PdfReader

from monetization.tenancy.models import LegalEntity
from tests.integration.api.conftest import Api, fields_of, line_of

JANUARY_10 = datetime(2026, 1, 10, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(JANUARY_10, tick=False):
        yield


@pytest.fixture
def body(customer: Any, platform: Any, calls: Any) -> dict[str, Any]:
    """A year of 500.00 a month less 10 %, and calls expected at 1,200 a month."""
    return {
        "customer": customer["id"],
        "title": "Platform deal",
        "start_on": "2026-02-01",
        "signer_name": "Ann Lee",
        "signer_email": "ann@example.com",
        "phases": [
            {
                "name": "Year",
                "months": 12,
                "lines": [
                    line_of(platform, discount_percent="10"),
                    line_of(calls, expected_quantity="1200"),
                ],
            }
        ],
    }


class TestQuotes:
    def test_a_draft_is_priced_by_the_functions_that_bill(
        self, api: Api, body: dict[str, Any]
    ) -> None:
        quote = api.made("quotes", body)

        found = quote["latest"]["estimate"]
        # 12 x 450.00 committed, and 12 x (100.00 + 16.00) of expected usage.
        assert (found["total_contract_value"], found["total"]) == ("5400.00", "6792.00")
        assert found["by_year"] == [{"of": "1", "amount": "6792.00"}]
        assert (quote["number"], quote["status"], quote["version"]) == ("Q-00001", "draft", 1)

    def test_who_sells_and_in_what_is_chosen_and_read_back(
        self, api: Api, body: dict[str, Any], inside: Any
    ) -> None:
        with inside():
            entity = LegalEntity.objects.create(name="Second", code="DE", tax_id="DE1")
        line = {"product": "platform", "model": {"model": "flat", "amount": "450"}}
        own = {"phases": [{"months": 12, "lines": [line]}], "purchase_order": "PO-1"}
        chosen = {"legal_entity": str(entity.id), "currency": "EUR"}
        latest = api.made("quotes", {**body, **own, **chosen})["latest"]

        assert (latest["legal_entity"], latest["currency"]) == (str(entity.id), "EUR")
        assert latest["total_contract_value"] == "5400.00"
        terms = latest["terms"]
        assert terms["seller"] == {
            "code": "DE", "name": "Second", "country": "US", "tax_id": "DE1",
        }  # fmt: skip
        assert (terms["purchase_order"], terms["tax"]["bill_on"]) == ("PO-1", "2026-02-01")
        assert (terms["tax"]["shares"][0]["base"], terms["tax"]["treatment"]) == ("450", "taxable")

    def test_a_currency_without_prices_names_the_line(self, api: Api, body: dict[str, Any]) -> None:
        quote = api.made("quotes", body)
        path = f"quotes/{quote['id']}/draft"

        refused = api.call("put", path, {"currency": "EUR"})

        assert refused.status_code == 422
        assert fields_of(refused) == {"phases[0].lines[0].price_version"}
        assert fields_of(api.call("put", path, {"currency": "XYZ"})) == {"currency"}
        nobody = "00000000-0000-7000-8000-000000000000"
        assert fields_of(api.call("put", path, {"legal_entity": nobody})) == {"legal_entity"}
        assert api.get(f"quotes/{quote['id']}").json()["latest"]["currency"] == "USD"

    def test_what_was_read_can_be_saved_again(self, api: Api, body: dict[str, Any]) -> None:
        quote = api.made("quotes", body)
        phases = quote["latest"]["phases"]

        again = api.made(
            f"quotes/{quote['id']}/draft", {"phases": phases}, method="put", status=200
        )

        assert again["latest"]["terms"] == quote["latest"]["terms"]
        assert again["latest"]["phases"] == phases

    def test_a_quote_may_start_empty(self, api: Api, customer: Any) -> None:
        quote = api.made(
            "quotes", {"customer": customer["id"], "title": "Later", "start_on": "2026-02-01"}
        )
        refused = api.post(f"quotes/{quote['id']}/send")

        assert quote["latest"]["estimate"]["total"] == "0.00"
        assert (refused.status_code, refused.json()["code"]) == (409, "draft_incomplete")

    @pytest.mark.pdf
    def test_sending_freezes_the_terms_and_their_document(
        self, api: Api, body: dict[str, Any]
    ) -> None:
        quote = api.made("quotes", body)
        path = f"quotes/{quote['id']}"
        assert api.get(f"{path}/document").status_code == 404

        sent = api.made(f"{path}/send", status=200)
        refused = api.call("put", f"{path}/draft", {"title": "Cheaper"})
        file = api.get(f"{path}/document")

        assert sent["latest"]["status"] == "sent"
        assert len(sent["latest"]["terms_sha256"]) == 64
        assert "/sign/" in sent["signing_url"]
        assert (refused.status_code, refused.json()["code"]) == (409, "version_not_draft")
        assert file["Content-Type"] == "application/pdf"
        assert "Platform" in PdfReader(BytesIO(file.content)).pages[0].extract_text()

    def test_a_revision_keeps_the_versions_before_it(self, api: Api, body: dict[str, Any]) -> None:
        path = f"quotes/{api.made('quotes', body)['id']}"
        sent = api.made(f"{path}/send", status=200)

        revised = api.made(f"{path}/revise", status=200)
        versions = api.get(f"{path}/versions").json()["results"]

        assert (revised["version"], revised["status"]) == (2, "draft")
        assert [(v["number"], v["status"]) for v in versions] == [(2, "draft"), (1, "superseded")]
        first = api.get(f"{path}/versions/1").json()
        assert first["terms"] == sent["latest"]["terms"]
        assert api.get(f"{path}/versions/1/document").status_code == 200
        assert api.get(f"{path}/versions/2/document").status_code == 404
        assert api.get(f"{path}/versions/3").status_code == 404

    def test_a_contract_signed_elsewhere_is_taken_over_as_it_is(
        self, api: Api, body: dict[str, Any]
    ) -> None:
        quote = api.made("quotes", body)
        signed = {
            "signed_on": "2026-01-05",
            "signer_name": "Ann Lee",
            "signer_email": "ann@example.com",
            "document": b64encode(b"%PDF-1.7 signed").decode(),
        }

        form = api.made(f"quotes/{quote['id']}/signed-elsewhere", signed)
        again = api.post(f"quotes/{quote['id']}/signed-elsewhere", signed)

        assert form["terms"] == quote["latest"]["terms"]
        assert form["signed_at"] == "2026-01-05T12:00:00Z"
        assert api.get(f"order-forms/{form['id']}/document").content == b"%PDF-1.7 signed"
        assert api.get(f"quotes/{quote['id']}").json()["status"] == "accepted"
        assert (again.status_code, again.json()["code"]) == (409, "version_not_draft")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"signed_on": "2026-02-01"}, "signed_on"),
            ({"signer_email": "ann"}, "signer_email"),
            ({"document": "%PDF"}, "document"),
            ({"document": b64encode(b"GIF89a").decode()}, "document"),
        ],
    )
    def test_names_the_field_of_a_signature(
        self, api: Api, body: dict[str, Any], change: dict[str, Any], field: str
    ) -> None:
        quote = api.made("quotes", body)
        good = {"signed_on": "2026-01-05", "signer_name": "A", "signer_email": "a@example.com"}

        answer = api.post(f"quotes/{quote['id']}/signed-elsewhere", {**good, **change})

        assert fields_of(answer) == {field}

    def test_lists_are_filtered_by_the_latest_state(self, api: Api, body: dict[str, Any]) -> None:
        first, second = api.made("quotes", body), api.made("quotes", body)
        api.made(f"quotes/{first['id']}/send", status=200)

        def numbers(**query: Any) -> list[str]:
            return [row["number"] for row in api.get("quotes", query).json()["results"]]

        assert numbers(status="sent") == [first["number"]]
        assert numbers(status=["sent", "draft"]) == [second["number"], first["number"]]
        assert numbers(customer=body["customer"], search="plat") == [
            second["number"],
            first["number"],
        ]

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            ({"customer": "0198f0d4-0000-7000-8000-000000000000"}, {"customer"}),
            ({"title": " "}, {"title"}),
            ({"start_on": "soon"}, {"start_on"}),
            ({"start_on": "9999-12-31"}, {"start_on"}),
            ({"anchor_day": 32}, {"anchor_day"}),
            ({"time_zone": "Mars"}, {"time_zone"}),
            ({"signer_email": "ann"}, {"signer_email"}),
            ({"phases": {}}, {"phases"}),
            ({"phases": []}, {"phases"}),
            ({"phases": [{"months": 0}]}, {"phases[0].months"}),
            ({"phases": [{"months": 200}, {"months": 41}]}, {"phases"}),
            ({"phases": [{"months": None}, {"months": 1}]}, {"phases[0].end_on"}),
            ({"phases": [{"discount_percent": "101"}]}, {"phases[0].discount_percent"}),
            ({"phases": [{"minimum_amount": "0.00001"}]}, {"phases[0].minimum_amount"}),
            (
                {"phases": [{"minimum_amount": "1", "minimum_frequency": "one_time"}]},
                {"phases[0].minimum_frequency"},
            ),
            ({"phases": [{"lines": [{}]}]}, {"phases[0].lines[0].product"}),
            (
                {"phases": [{"lines": [{"product": "nothing", "model": {"model": "flat"}}]}]},
                {"phases[0].lines[0].model.amount"},
            ),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, api: Api, body: dict[str, Any], change: dict[str, Any], fields: set[str]
    ) -> None:
        assert fields_of(api.post("quotes", {**body, **change})) == fields

    @pytest.mark.parametrize(
        ("line", "field"),
        [
            ({"product": "nothing"}, "product"),
            ({"price_version": None, "model": None}, "model"),
            ({"price_version": "0198f0d4-0000-7000-8000-000000000000"}, "price_version"),
            ({"quantity": "1e12"}, "quantity"),
            ({"frequency": "daily"}, "frequency"),
            ({"item_key": "a:b"}, "item_key"),
            ({"timing": "in_arrears", "meter_key": "x" * 61}, "meter_key"),
        ],
    )
    def test_names_the_field_of_a_line(
        self, api: Api, body: dict[str, Any], line: dict[str, Any], field: str
    ) -> None:
        changed = {**body["phases"][0]["lines"][0], **line}
        answer = api.post("quotes", {**body, "phases": [{"months": 12, "lines": [changed]}]})

        assert fields_of(answer) == {f"phases[0].lines[0].{field}"}

    def test_usage_in_advance_is_refused_by_the_terms_in_the_words_of_the_draft(
        self, api: Api, body: dict[str, Any]
    ) -> None:
        line = {**body["phases"][0]["lines"][1], "timing": "in_advance"}
        answer = api.post("quotes", {**body, "phases": [{"months": 12, "lines": [line]}]})

        assert fields_of(answer) == {"phases[0].lines[0].timing"}
        assert api.get("quotes").json()["results"] == []

    def test_an_amount_nobody_could_book_is_refused(self, api: Api, body: dict[str, Any]) -> None:
        line = {
            **body["phases"][0]["lines"][0],
            "model": {"model": "per_unit", "unit_price": "9" * 15},
            "quantity": "9" * 12,
        }
        answer = api.post("quotes", {**body, "phases": [{"months": 12, "lines": [line]}]})

        assert fields_of(answer) == {"phases"}


class TestWhatAQuoteWouldEarn:
    def test_a_year_paid_by_the_month_is_earned_by_the_day(
        self, api: Api, customer: Any, platform: Any
    ) -> None:
        body = {
            "customer": customer["id"],
            "title": "Deal",
            "start_on": "2027-01-01",
            "phases": [{"months": 12, "lines": [line_of(platform)]}],
        }
        quote = api.made("quotes", body)

        found = api.get(f"quotes/{quote['id']}/revenue").json()

        # 6,000 over 365 days: 31 in January are 509.59; 500 billed, so 9.59 is unbilled.
        assert found["months"][0] == {
            "month": "2027-01",
            "billed": "500.00",
            "committed": "509.59",
            "expected": "0.00",
            "balance": "-9.59",
        }
        worth = quote["latest"]["estimate"]
        assert worth["annual_recurring_revenue"] == "6000.00"
        assert (worth["below_list_percent"], worth["margin_percent"]) == ("0", None)

    def test_only_an_amendment_of_a_contract_that_is_billed_has_a_preview(
        self, api: Api, customer: Any
    ) -> None:
        body = {"customer": customer["id"], "title": "Deal", "start_on": "2027-01-01"}
        quote = api.made("quotes", body)

        answer = api.get(f"quotes/{quote['id']}/amendment-preview")

        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_amended")

    def test_editing_is_undone_and_redone_and_two_versions_are_compared(
        self, api: Api, customer: Any, platform: Any
    ) -> None:
        phases = [{"months": 12, "lines": [line_of(platform)]}]
        body = {"customer": customer["id"], "title": "Deal", "start_on": "2027-01-01"}
        path = f"quotes/{api.made('quotes', {**body, 'phases': phases})['id']}"
        api.made(f"{path}/draft", {"anchor_day": 15}, method="put", status=200)

        back = api.made(f"{path}/draft/undo", {}, status=200)["latest"]
        again = api.made(f"{path}/draft/redo", {}, status=200)["latest"]
        none = api.post(f"{path}/draft/redo", {})
        assert (back["anchor_day"], again["anchor_day"]) == (1, 15)
        assert (none.status_code, none.json()["code"]) == (409, "no_further_step")

        signer = {
            "signer_name": "Ann",
            "signer_email": "ann@example.com",
            "expires_on": "2027-01-31",
        }
        api.made(f"{path}/draft", signer, method="put", status=200)
        api.made(f"{path}/send", {}, status=200)
        api.made(f"{path}/revise", {}, status=200)
        two = [{"months": 24, "lines": [line_of(platform)]}]
        api.made(f"{path}/draft", {"phases": two}, method="put", status=200)
        found = api.get(f"{path}/changes", {"from_version": "1", "to_version": "2"}).json()
        assert "period" in found["summary"]
        # 12 and 24 months at 500.
        assert found["money"][0] == {
            "label": "Contract value",
            "before": "6000.00",
            "after": "12000.00",
            "difference": "6000.00",
        }
        assert api.get(f"{path}/changes", {"from_version": "1"}).status_code == 422
        missing = {"from_version": "1", "to_version": "9"}
        assert api.get(f"{path}/changes", missing).status_code == 404
