"""What needs approval is not sent before it is given, and an approval covers what was approved."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from monetization.mail.models import OutgoingMail
from monetization.tenancy.context import tenant_context
from monetization.users.models import User
from quotes import services
from quotes.models import ApprovalRule, ApprovalStep, Quote, QuoteVersion
from quotes.services import approval_rules, approvals
from quotes.services.approvals import Decider
from tests.factories import make_member
from tests.integration.api.conftest import Api
from tests.integration.quotes.conftest import browser
from tests.integration.quotes.test_web_quotes import priced

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
Inside = Callable[[], Any]
FINANCE = Decider("fin@example.com", "finance")
OWNER = Decider("boss@example.com", "owner")


@pytest.fixture
def people(company: Any) -> None:
    make_member(company, "finance", "fin@example.com")
    make_member(company, "owner", "boss@example.com")
    make_member(company, "revops", "rep@example.com")


@pytest.fixture
def version(company: Any, people: None, quote: Quote) -> Any:
    """A quote of 500.00 a month for a year, sold by rep@example.com."""
    with tenant_context(company.id, actor="rep@example.com"):
        priced(quote)
        yield quote.versions.get()


def rule(name: str = "Large deal", **values: Any) -> ApprovalRule:
    return approval_rules.save_rule(
        values={"name": name, "approver_role": "finance", "value_over": Decimal(5000), **values}
    )


def ask(version: QuoteVersion) -> list[ApprovalStep]:
    return approvals.request_approval(version_id=version.id, comment="Please", now=NOW)


def agree(step: ApprovalStep, decider: Decider = FINANCE, *, now: datetime = NOW) -> ApprovalStep:
    return approvals.decide(step_id=step.id, decider=decider, is_approved=True, comment="", now=now)


def state(version: QuoteVersion) -> str:
    version.refresh_from_db()
    return version.status


class TestAsking:
    def test_a_quote_no_rule_applies_to_is_sent_as_it_is(self, version: QuoteVersion) -> None:
        rule(value_over=Decimal(6000))  # the contract value is 6,000.00, not more

        assert services.send_version(version_id=version.id, now=NOW)

    def test_a_quote_is_not_sent_before_it_is_approved(self, version: QuoteVersion) -> None:
        rule()

        with pytest.raises(
            approvals.ApprovalMissing, match=r"Large deal \(The contract value is 6,000"
        ):
            services.send_version(version_id=version.id, now=NOW)
        [step] = ask(version)
        with pytest.raises(services.VersionNotDraft):
            services.send_version(version_id=version.id, now=NOW)
        agree(step)

        assert state(version) == "approved"
        assert services.send_version(version_id=version.id, now=NOW)

    def test_approvers_are_told_why_by_mail_and_the_seller_of_the_answer(
        self, version: QuoteVersion
    ) -> None:
        rule()

        [step] = ask(version)
        agree(step)

        asked, told = OutgoingMail.objects.order_by("id")
        assert asked.to == "fin@example.com"
        assert "more than 5,000" in asked.text
        assert (told.to, "can be sent" in told.subject) == ("rep@example.com", True)

    def test_steps_are_asked_one_after_the_other_and_rules_of_a_step_together(
        self, version: QuoteVersion
    ) -> None:
        rule("A")
        rule("B")
        rule("C", step=2, approver_role="owner")

        steps = {step.title: step for step in ask(version)}
        assert {t: s.status for t, s in steps.items()} == {"A": "open", "B": "open", "C": "waiting"}
        agree(steps["A"])
        with pytest.raises(approvals.ApprovalNotOpen):
            agree(steps["C"], OWNER)
        agree(steps["B"])
        assert state(version) == "in_approval"
        agree(steps["C"], OWNER)

        assert state(version) == "approved"

    def test_nothing_is_asked_where_nothing_is_needed(self, version: QuoteVersion) -> None:
        with pytest.raises(approvals.ApprovalNotNeeded):
            ask(version)

    def test_a_draft_in_approval_cannot_be_edited(self, version: QuoteVersion) -> None:
        rule()
        ask(version)

        with pytest.raises(services.VersionNotDraft, match="go back to the draft"):
            services.save_draft(version_id=version.id, payload={"title": "Else"})
        approvals.reopen_draft(version_id=version.id, now=NOW)
        services.save_draft(version_id=version.id, payload={"title": "Else"})

        assert ApprovalStep.objects.get().status == "withdrawn"


class TestAnswering:
    def test_only_who_is_asked_may_answer_and_nobody_their_own_request(
        self, version: QuoteVersion
    ) -> None:
        rule()
        [step] = ask(version)

        for stranger in (
            OWNER,
            Decider("x@example.com", "revops"),
            Decider("rep@example.com", "finance"),
        ):
            with pytest.raises(approvals.NotYourApproval):
                agree(step, stranger)
        assert agree(step).decided_by == "fin@example.com"

    def test_a_refusal_says_why_and_returns_the_draft(self, version: QuoteVersion) -> None:
        rule("A")
        rule("B", step=2)
        step, _ = ask(version)

        def refuse(comment: str) -> None:
            approvals.decide(
                step_id=step.id, decider=FINANCE, is_approved=False, comment=comment, now=NOW
            )

        with pytest.raises(approvals.ApprovalReasonMissing):
            refuse(" ")
        refuse("Too cheap")

        assert state(version) == "draft"
        assert set(ApprovalStep.objects.values_list("status", flat=True)) == {
            "rejected",
            "withdrawn",
        }
        assert "Too cheap" in OutgoingMail.objects.get(to="rep@example.com").text

    def test_a_deputy_answers_while_somebody_is_away(self, version: QuoteVersion) -> None:
        rule()
        approval_rules.add_deputy(
            absent_email="fin@example.com",
            deputy_email="boss@example.com",
            first_day=date(2026, 11, 1),
            last_day=date(2026, 11, 8),
        )
        [step] = ask(version)

        with pytest.raises(approvals.NotYourApproval):
            agree(step, OWNER, now=datetime(2026, 11, 9, tzinfo=UTC))
        assert agree(step, OWNER).status == "approved"

    def test_an_approval_is_handed_to_a_colleague(self, version: QuoteVersion) -> None:
        rule()
        [step] = ask(version)

        with pytest.raises(approvals.NotYourApproval, match="may not answer"):
            approvals.hand_over(
                step_id=step.id, decider=FINANCE, to_email="nobody@example.com", now=NOW
            )
        approvals.hand_over(step_id=step.id, decider=FINANCE, to_email="boss@example.com", now=NOW)

        with pytest.raises(approvals.NotYourApproval):
            agree(step)
        assert agree(step, OWNER).decided_by == "boss@example.com"

    def test_over_rest_an_absence_is_arranged_and_a_request_handed_over(
        self, company: Any, version: QuoteVersion
    ) -> None:
        rule(approver_role="", approver_emails=["fin@example.com"])
        rule("Counsel", approver_role="", approver_emails=["boss@example.com"])
        by_title = {step.title: step for step in ask(version)}
        finance, machine = Api(company, role="finance"), Api(company)
        member = finance.client.session["_auth_user_id"]
        mine = User.objects.get(pk=member).email
        days = {"first_day": "2026-11-01", "last_day": "2099-11-09"}

        away = machine.made(
            "approval-deputies",
            {"absent_email": "boss@example.com", "deputy_email": mine, **days},
        )
        theirs = finance.post(
            "approval-deputies",
            {"absent_email": "fin@example.com", "deputy_email": mine, **days},
        )
        decided = finance.made(
            f"approvals/{by_title['Counsel'].id}/decide", {"decision": "approve"}, status=200
        )
        handed = machine.made(
            f"approvals/{by_title['Large deal'].id}/hand-over", {"to_email": mine}, status=200
        )

        assert theirs.json()["detail"] == "absent_email: arrange your own absence"
        assert decided["decided_by"] == mine
        assert handed["approver_emails"] == [mine]
        assert OutgoingMail.objects.filter(to=mine).exists()
        assert finance.call("delete", f"approval-deputies/{away['id']}").status_code == 409
        assert machine.call("delete", f"approval-deputies/{away['id']}").status_code == 204
        assert machine.get("approval-deputies").json()["results"] == []

    def test_a_decision_never_changes(self, version: QuoteVersion) -> None:
        rule()
        agree(ask(version)[0])

        with (
            connection.cursor() as cursor,
            pytest.raises(DatabaseError, match="never changes"),
            transaction.atomic(),
        ):
            cursor.execute("UPDATE quotes_approvalstep SET status = 'rejected'")


class TestStanding:
    def approved(self, version: QuoteVersion) -> QuoteVersion:
        agree(ask(version)[0])
        approvals.reopen_draft(version_id=version.id, now=NOW)
        return version

    def test_an_approval_stands_while_what_it_covers_is_the_same(
        self, version: QuoteVersion
    ) -> None:
        rule()
        self.approved(version)

        services.save_draft(version_id=version.id, payload={"title": "Other words"})
        services.send_version(version_id=version.id, now=NOW)
        following = services.revise_quote(quote_id=version.quote_id, now=NOW)

        assert services.send_version(version_id=following.id, now=NOW)

    def test_it_is_asked_again_once_what_it_covers_changes(self, version: QuoteVersion) -> None:
        rule()
        self.approved(version)

        services.save_draft(
            version_id=version.id,
            payload={
                "phases": [
                    {
                        "months": 24,
                        "lines": [
                            {"product": "platform", "model": {"model": "flat", "amount": "501"}}
                        ],
                    }
                ]
            },
        )

        with pytest.raises(approvals.ApprovalMissing):
            services.send_version(version_id=version.id, now=NOW)

    def test_it_is_asked_again_once_it_expired_or_the_rule_changed(
        self, version: QuoteVersion
    ) -> None:
        first = rule(valid_days=7)
        self.approved(version)

        with pytest.raises(approvals.ApprovalMissing):
            services.send_version(version_id=version.id, now=NOW + timedelta(days=7))
        approval_rules.save_rule(rule_id=first.id, values={"value_over": Decimal(4000)})
        with pytest.raises(approvals.ApprovalMissing):
            services.send_version(version_id=version.id, now=NOW)


class TestRules:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"name": " "}, "name:"),
            ({"approver_role": ""}, "approver_role:"),
            ({"approver_role": "engineer"}, "approver_role:"),
            ({"approver_emails": ["fin@example.com"]}, "approver_role:"),
            ({"approver_role": "", "approver_emails": ["who@example.com"]}, "approver_emails:"),
            ({"step": 0}, "step:"),
        ],
    )
    def test_name_the_field_that_is_wrong(
        self, version: QuoteVersion, values: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(approval_rules.ApprovalRuleInvalid, match=message):
            rule(**values)

    def test_margin_is_what_remains_of_the_price_after_the_cost_at_list(
        self, version: QuoteVersion
    ) -> None:
        from monetization.catalog.models import Product
        from monetization.catalog.services import set_product_cost
        from quotes import selectors

        product = Product.objects.get(code="platform")
        assert selectors.totals_of(selectors.terms_of(version)).margin is None
        set_product_cost(product_id=product.id, cost_percent=Decimal(40))

        # 12 x 500.00 sold at list, 40 % of it cost: 60 % remain.
        assert selectors.totals_of(selectors.terms_of(version)).margin == Decimal(60)


class TestPages:
    def test_a_rule_is_made_asked_and_answered_in_the_browser(
        self, company: Any, people: None, quote: Quote, inside: Inside
    ) -> None:
        with inside():
            priced(quote)
        seller, finance = browser(company), browser(company, "finance")

        assert finance.get("/quotes/approval-rules/new/").status_code == 200
        form = {"step": "1", "valid_days": "30", "is_active": "on"}
        made = finance.post(
            "/quotes/approval-rules/new/",
            {**form, "name": "Big", "value_over": "5000", "approver_role": "finance"},
        )
        assert made.status_code == 302
        assert seller.post("/quotes/approval-rules/new/", {}).status_code == 403
        shown = seller.get(f"/quotes/{quote.id}/").content.decode()
        assert "more than 5,000 USD" in shown
        assert "Ask for approval" in shown
        seller.post(f"/quotes/{quote.id}/send/")
        with inside():
            assert quote.versions.get().status == "draft"
        seller.post(f"/quotes/{quote.id}/ask-approval/", {"comment": "Closing Friday"})
        inbox = finance.get("/quotes/approvals/").content.decode()
        assert "Closing Friday" in inbox
        with inside():
            step = ApprovalStep.objects.get()
        finance.post(f"/quotes/approvals/{step.id}/", {"do": "approve", "comment": "Fine"})

        with inside():
            assert quote.versions.get().status == "approved"
        assert seller.get(f"/quotes/{quote.id}/send/").status_code == 200
