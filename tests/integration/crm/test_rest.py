"""CRM records over REST: each at the address its own system gives it."""

from collections.abc import Callable
from typing import Any

import pytest

from monetization.customers.models import Customer
from monetization.events.models import Event
from monetization.tenancy.models import LegalEntity
from quotes.models import Quote
from tests.integration.api.conftest import Api, fields_of

Inside = Callable[[], Any]
ACCOUNT, CONTACT = "crm/accounts/salesforce/001", "crm/contacts/salesforce/003"
DEAL, QUOTE = "crm/opportunities/salesforce/006", "crm/quotes/salesforce/0Q0"


def put(api: Api, path: str, status: int = 200, **body: Any) -> Any:
    return api.made(path, body, method="put", status=status)


@pytest.fixture
def acme(api: Api) -> Any:
    return put(api, ACCOUNT, 201, name="Acme", country="US", payment_terms_days=45)


def test_a_record_is_made_changed_and_left_alone_at_its_own_address(
    api: Api, acme: Any, inside: Inside
) -> None:
    changed = put(api, ACCOUNT, country="CA")
    again = put(api, ACCOUNT, country="CA")

    assert (changed["id"], changed["country"], changed["payment_terms_days"]) == (
        acme["id"],
        "CA",
        45,
    )
    assert again == changed == api.get(ACCOUNT).json()
    assert changed["external_ids"] == {"salesforce": "001"}
    with inside():
        assert Customer.objects.count() == 1
        assert Event.objects.filter(type="customer.created").count() == 1


def test_a_quote_says_who_sells_it_and_in_what(api: Api, acme: Any, inside: Inside) -> None:
    with inside():
        LegalEntity.objects.create(name="Second", code="DE")
    new: dict[str, Any] = {"account": "001", "title": "Deal", "start_on": "2027-01-01"}

    quote = put(api, QUOTE, 201, **new, legal_entity="DE", currency="EUR")
    again = put(api, QUOTE, **new, legal_entity="DE", currency="EUR")

    assert (quote["legal_entity"], quote["currency"]) == ("DE", "EUR")
    assert again == quote
    assert put(api, QUOTE, currency="GBP")["currency"] == "GBP"
    refused = api.call("put", QUOTE, {"legal_entity": "NONE"})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "legal_entity: none has the code 'NONE'",
    )


def test_from_the_account_to_the_quote_and_back(api: Api, acme: Any) -> None:
    put(api, CONTACT, 201, account="001", name="Ann", email="ann@example.com")
    deal = put(
        api,
        DEAL,
        201,
        account="001",
        name="Platform",
        amount="6000.5",
        close_on="2026-06-30",
        owner="Ruben",
    )
    quote = put(api, QUOTE, 201, opportunity="006", title="Deal", start_on="2027-01-01")

    assert (deal["amount"], deal["currency"], deal["outcome"]) == ("6000.50", "USD", "open")
    assert (quote["status"], quote["version"], quote["account"]) == ("draft", 1, "001")
    assert api.get(DEAL).json()["quotes"] == [quote["number"]]
    assert api.get(CONTACT).json()["account"] == "001"
    [listed] = api.get("opportunities", {"outcome": "open", "source": "salesforce"}).json()[
        "results"
    ]
    assert (listed["id"], listed["external_ids"]) == (deal["id"], {"salesforce": "006"})
    assert api.get(f"opportunities/{deal['id']}").json()["external_ids"] == {"salesforce": "006"}
    assert put(api, DEAL, amount=None)["amount"] is None


def test_an_id_may_have_slashes_and_spaces(api: Api) -> None:
    made = put(api, "crm/accounts/erp/DE%2F10%20a/7", 201, name="Acme")

    assert made["external_id"] == "DE/10 a/7"
    assert api.get("crm/accounts/erp/DE/10%20a/7").json()["id"] == made["id"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("crm/accounts/Sales Force/1", {"name": "A"}, "source: is the system's name"),
        (f"crm/accounts/erp/{'x' * 201}", {"name": "A"}, "external_id: has at most 200"),
        ("crm/accounts/erp/2", {}, "name: is needed for a new record"),
        ("crm/accounts/erp/2", {"name": "A", "currency": ""}, ""),
        (CONTACT, {"account": "009", "name": "A", "email": "a@b.co"}, "account: no account of"),
        (DEAL, {"account": "001"}, "name: is needed"),
        (QUOTE, {"title": "T", "start_on": "2027-01-01"}, "account: a new quote names"),
        (QUOTE, {"number": "Q-99999", "title": "T"}, "number: there is no quote Q-99999"),
        (
            QUOTE,
            {"account": "001", "title": "T", "start_on": "2027-01-01", "template": "None"},
            "template: there is no template 'None'",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(
    api: Api, acme: Any, path: str, body: Any, said: str
) -> None:
    answer = api.call("put", path, body)

    assert answer.status_code in (409, 422), answer.content
    assert said in answer.json()["detail"]


def test_a_misspelled_field_is_named(api: Api) -> None:
    assert fields_of(api.call("put", ACCOUNT, {"nome": "Acme"})) == {"nome"}


def test_a_customer_with_the_crms_id_is_adopted_and_an_id_means_one_row(
    api: Api, inside: Inside
) -> None:
    known = api.made("customers", {"name": "Acme", "currency": "EUR", "external_id": "001"})

    taken = put(api, ACCOUNT, name="Acme Inc")

    assert (taken["id"], taken["currency"], taken["name"]) == (known["id"], "EUR", "Acme Inc")


def test_a_quote_of_ours_is_linked_by_its_number(api: Api, acme: Any, inside: Inside) -> None:
    body = {"customer": acme["id"], "title": "Deal", "start_on": "2027-01-01"}
    ours = api.made("quotes", body)
    put(api, DEAL, 201, account="001", name="Platform")

    linked = put(api, QUOTE, number=ours["number"], opportunity="006")
    other = api.call("put", "crm/quotes/salesforce/0Q1", {"number": ours["number"]})

    assert (linked["id"], linked["opportunity"]) == (ours["id"], "006")
    assert (other.status_code, other.json()["code"]) == (409, "reference_held")
    with inside():
        assert Quote.objects.count() == 1


def test_another_company_finds_and_touches_nothing(
    api: Api, acme: Any, make_tenant: Callable[..., Any], inside: Inside
) -> None:
    stranger = Api(make_tenant("Borg"))

    assert stranger.get(ACCOUNT).status_code == 404
    assert stranger.get(ACCOUNT).content == stranger.get("crm/accounts/x/y").content
    assert put(stranger, ACCOUNT, 201, name="Theirs")["id"] != acme["id"]
    with inside():
        assert Customer.objects.get().name == "Acme"


def test_what_a_key_may_not_do_it_is_refused(company: Any, acme: Any) -> None:
    reader = Api(company, "customers:read")

    assert reader.get(ACCOUNT).status_code == 200
    assert reader.call("put", ACCOUNT, {"name": "B"}).status_code == 403
    assert reader.get(DEAL).status_code == 403


def test_the_same_call_twice_makes_one_record(api: Api) -> None:
    answers = [api.call("put", ACCOUNT, {"name": "Acme"}) for _ in range(2)]

    assert [one.status_code for one in answers] == [201, 200]
