"""CRM records come in from files and go out in files that come in again."""

from collections.abc import Callable
from typing import Any

import pytest

from crm.models import CrmImport, CrmReject
from crm.services import importing
from crm.services.importing import CrmFileInvalid
from monetization.customers.models import BillingContact, Customer
from monetization.events.models import Event
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from quotes.models import Opportunity, Quote
from quotes.services import revise_quote, send_version
from quotes.services.templates import save_template
from tests.factories_billing import make_customer
from tests.integration.crm.conftest import NOW, SOURCE, exported, run, take_in, written
from tests.integration.quotes.conftest import make_quote
from tests.integration.quotes.test_web_quotes import priced

Inside = Callable[[], Any]

ACCOUNTS = written(
    ("external_id", "name", "country", "payment_terms_days", "address", "tax_percent"),
    ("001A", "Acme", "US", "45", "1 Road\nBoston", "7.25"),
    ("001B", "=Borg()", "de", "", "", ""),
    ("001C", "'=Cyberdyne", "", "", "", ""),
)
CONTACTS = written(
    ("external_id", "account", "name", "email", "is_primary"),
    ("003A", "001A", "Ann Lee", "ann@acme.example", "yes"),
    ("003B", "001A", "Bob Ray", "bob@acme.example", "no"),
    ("003C", "001B", "Seven", "seven@borg.example", ""),
)
DEALS = written(
    ("external_id", "account", "name", "stage", "amount", "close_on", "owner", "outcome"),
    ("006A", "001A", "Platform", "Proposal", "6000", "2026-06-30", "Ruben", ""),
    ("006B", "001B", "Seats", "Closed Lost", "", "", "", "lost"),
)
QUOTES = written(
    ("external_id", "opportunity", "title", "start_on", "template"),
    ("0Q0A", "006A", "Platform for Acme", "2026-07-01", "Platform"),
)


def take_all() -> None:
    priced(make_quote("Kept", make_customer("Initech")))
    save_template(quote_id=Quote.objects.get().id, name="Platform")
    assert take_in("accounts", ACCOUNTS) == {"created": 3}
    assert take_in("contacts", CONTACTS) == {"created": 3}
    assert take_in("opportunities", DEALS) == {"created": 2}
    assert take_in("quotes", QUOTES) == {"created": 1}


def test_accounts_contacts_opportunities_and_quotes_come_in_under_their_ids(
    inside: Inside,
) -> None:
    with inside():
        take_all()

        acme = Customer.objects.get(name="Acme")
        assert (acme.currency, acme.payment_terms_days, str(acme.tax_percent)) == (
            "USD",
            45,
            "7.250000",
        )
        assert Customer.objects.get(name="=Borg()").country == "DE"
        assert [(c.name, c.is_primary) for c in acme.contacts.order_by("name")] == [
            ("Ann Lee", True),
            ("Bob Ray", False),
        ]
        deal = Opportunity.objects.get(name="Platform")
        assert (str(deal.amount), deal.currency, deal.outcome) == ("6000.0000", "USD", "open")
        quote = Quote.objects.get(title="Platform for Acme")
        version = quote.versions.get()
        assert (quote.opportunity, quote.customer) == (deal, acme)
        assert (version.signer_email, str(version.total_contract_value)) == (
            "ann@acme.example",
            "6000.0000",
        )


@pytest.mark.parametrize("kind", ["accounts", "contacts", "opportunities", "quotes"])
def test_what_goes_out_comes_in_again_and_changes_nothing(inside: Inside, kind: str) -> None:
    with inside():
        take_all()
        sent = make_quote("Sent", Customer.objects.get(name="Acme"))
        priced(sent)
        send_version(version_id=sent.versions.get().id, now=NOW)
        content = exported(kind)
        events = Event.objects.exclude(type="crm.imported").count()

        outcome = take_in(kind, content)

        assert set(outcome) == {"unchanged"}, CrmReject.objects.values_list("field", "reason")
        assert outcome["unchanged"] == content.count(b"\r\n") - 1
        assert exported(kind) == content
        assert Event.objects.exclude(type="crm.imported").count() == events


def test_a_file_of_another_company_makes_the_same_records_there(
    inside: Inside, make_tenant: Callable[..., Any]
) -> None:
    from monetization.tenancy.context import tenant_context

    with inside():
        take_all()
        files = {kind: exported(kind) for kind in ("accounts", "contacts", "opportunities")}
    with tenant_context(make_tenant("Elsewhere").id, actor="test"):
        for kind, content in files.items():
            header, rows = importing.read_file(content)
            ours = header.index("id")
            there = written(
                [name for name in header if name != "id"],
                *(
                    [cell for at, cell in enumerate(row.cells) if at != ours]
                    for row in rows
                    if row.cells[0]
                ),
            )
            assert set(take_in(kind, there)) == {"created"}, kind
            found = [line.split(b",", 2)[2] for line in exported(kind).splitlines()[1:3]]
            known = [line.split(b",", 2)[2] for line in content.splitlines()]
            assert all(line in known for line in found), (found, known)


def test_rows_that_cannot_come_in_are_named_by_line_and_field_and_the_others_come_in(
    inside: Inside,
) -> None:
    with inside():
        take_in("accounts", ACCOUNTS)
        content = (
            b"external_id;account;name;amount;close_on\r\n"
            b'006A;001A;"Two\r\nlines";10.5;2026-06-30\r\n'
            b"\r\n"
            b"006B;001X;Nobody's;;\r\n"
            b"006C;001A;Late;;30/06/2026\r\n"
            b"006D;001A;Dear;1,000;\r\n"
            b";001A;Nameless;;\r\n"
            b"006E;001A;Short\r\n"
            b"006F;001A;;;\r\n"
            b"006G;001A;Last;;\r\n"
        )

        outcome = take_in("opportunities", content)

        assert outcome == {"created": 2, "rejected": 6}
        rejects = CrmReject.objects.order_by("line").values_list("line", "field", "reason")
        assert [(line, field) for line, field, _ in rejects] == [
            (5, "account"),
            (6, "close_on"),
            (7, "amount"),
            (8, "external_id"),
            (9, ""),
            (10, "name"),
        ]
        reasons = [reason for _, _, reason in rejects]
        assert reasons[0].startswith("no account of salesforce has the id '001X'")
        assert reasons[1] == "must be a date like 2026-01-31"
        assert reasons[4] == "has 3 cells, the header has 5"
        assert sorted(Opportunity.objects.values_list("name", flat=True)) == [
            "Last",
            "Two\r\nlines",
        ]


def test_an_import_killed_between_two_parts_goes_on_and_takes_each_row_in_once(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "ROWS_PER_PART", 2)
    rows = [(f"001{n}", f"Customer {n}") for n in range(7)]
    with inside():
        kept = importing.keep_file(
            kind="accounts",
            source=SOURCE,
            filename="a.csv",
            content=written(("external_id", "name"), *rows),
            now=NOW,
        )
        mapping = {"external_id": "external_id", "name": "name"}
        job = importing.start_import(import_id=kept.id, mapping=mapping)
        assert importing.start_import(import_id=kept.id, mapping=mapping) == job
        token = claim_job(job_id=job.id, now=NOW)
        assert token is not None
        run_next_batch(job_id=job.id, token=token, now=NOW)  # and then the worker dies
        assert Customer.objects.filter(name__startswith="Customer").count() == 2
        Job.objects.update(lease_until=NOW.replace(year=2025))

        run(job)

        assert Customer.objects.filter(name__startswith="Customer").count() == 7
        assert importing.counts_of(job)["created"] == 7
        [said] = Event.objects.filter(type="crm.imported")
        assert (said.data["rows"], said.data["rejected"]) == ("7", "0")
        assert bytes(CrmImport.objects.get().content) == b""


def test_looking_at_the_first_rows_keeps_nothing(inside: Inside) -> None:
    with inside():
        kept = importing.keep_file(
            kind="accounts", source=SOURCE, filename="a.csv", content=ACCOUNTS, now=NOW
        )
        judged = importing.preview(
            import_id=kept.id, mapping={"external_id": "external_id", "name": "name"}, now=NOW
        )

        assert [(one.line, one.verdict) for one in judged] == [
            (2, "created"),
            (4, "created"),
            (5, "created"),
        ]
        assert not Customer.objects.exists()
        assert not Event.objects.filter(type="customer.created").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"id,name\n", "no rows"),
        (b"id,id\n1,2\n", "two columns called 'id'"),
        (b"id,\n1,2\n", "a column without a name"),
        ("id\nñ\n".encode("latin-1"), "not UTF-8"),
        (b"id\n\x00\n", "NUL"),
        (b'id\n"' + b"x" * 30_000 + b'"\n', "cannot be read from line 2"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(inside: Inside, content: bytes, said: str) -> None:
    with inside(), pytest.raises(CrmFileInvalid, match=said):
        importing.keep_file(
            kind="accounts", source=SOURCE, filename="a.csv", content=content, now=NOW
        )


def test_a_quote_that_was_sent_is_linked_but_not_changed(inside: Inside) -> None:
    with inside():
        take_in("accounts", ACCOUNTS)
        take_in("opportunities", DEALS)
        quote = make_quote("Deal", Customer.objects.get(name="Acme"))
        priced(quote)
        send_version(version_id=quote.versions.get().id, now=NOW)
        header = ("external_id", "number", "opportunity", "title")

        assert take_in("quotes", written(header, ("0Q0", quote.number, "006A", "Deal"))) == {
            "updated": 1
        }
        assert take_in("quotes", written(header, ("0Q0", quote.number, "006A", "New"))) == {
            "rejected": 1
        }
        assert "revise the quote to change it" in CrmReject.objects.get().reason
        revise_quote(quote_id=quote.id, now=NOW)
        assert take_in("quotes", written(header, ("0Q0", "", "006A", "New"))) == {"updated": 1}

        quote.refresh_from_db()
        assert quote.title == "New"


def test_two_systems_may_know_a_customer_under_ids_of_their_own(inside: Inside) -> None:
    with inside():
        take_in("accounts", written(("external_id", "name"), ("1", "Acme")))
        ours = str(Customer.objects.get().id)
        header = ("external_id", "id", "name")

        outcome = take_in("accounts", written(header, ("77", ours, "Acme")), source="hubspot")
        clash = take_in("accounts", written(header, ("78", ours, "Acme")), source="hubspot")

        assert (outcome, clash) == ({"updated": 1}, {"rejected": 1})
        assert Customer.objects.get().references.count() == 2
        assert CrmReject.objects.get().reason == "Acme is '77' in hubspot, not '78'"
        assert not BillingContact.objects.exists()
