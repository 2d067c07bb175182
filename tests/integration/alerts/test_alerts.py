"""A figure that crosses its limit is told of, once in a period."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert, AlertWatch
from alerts.services.evaluation import customers_to_watch, evaluate
from alerts.services.rules import (
    AlertRuleInvalid,
    RuleTerms,
    change_rule,
    create_rule,
    remove_rule,
    terms_of,
)
from billing.services.credits.granting import CreditWords, grant_credits
from metering.models import Meter
from metering.services import create_meter
from monetization.events.models import Event
from monetization.mail.models import OutgoingMail
from tests.factories_billing import make_customer
from tests.integration.alerts.conftest import APRIL, MARCH, look, rule, use


class TestUsage:
    def test_usage_at_its_limit_is_told_of_once_in_a_period(
        self, calls: Meter, schedule: Any
    ) -> None:
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(500))
        use(499, "a")
        assert look() == []

        use(1, "b")
        (alert,) = look()
        use(1000, "c")

        assert look() == []
        assert (alert.value, alert.limit, alert.unit) == (500, 500, "calls")
        assert (alert.period_start, alert.period_end) == (date(2026, 3, 1), date(2026, 4, 1))
        assert alert.schedule_id == schedule.id

    def test_the_next_period_begins_anew(self, calls: Meter, schedule: Any) -> None:
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(500))
        use(600, "a")
        assert len(look()) == 1

        use(700, "b", at=APRIL)

        (alert,) = look(APRIL)
        assert (alert.period_start, alert.value) == (date(2026, 4, 1), 700)

    def test_a_percentage_is_of_the_units_included(self, calls: Meter, schedule: Any) -> None:
        rule(metric="usage", meter_id=calls.id, basis="percent", threshold=Decimal(80))
        use(799, "a")
        assert look() == []

        use(1, "b")

        (alert,) = look()
        assert (alert.value, alert.limit, alert.base) == (800, 800, 1000)
        assert Event.objects.get(type="alert.triggered").data["percent"] == "80"

    def test_usage_without_a_contract_is_by_calendar_month(self, calls: Meter) -> None:
        make_customer()
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(10))
        use(10, "a")

        (alert,) = look()
        assert (alert.schedule_id, alert.period_start) == (None, date(2026, 3, 1))

    def test_another_meter_is_another_figure(self, calls: Meter, schedule: Any) -> None:
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(1))

        use(1000, "a", type="storage")

        assert look() == []

    def test_below_means_something_when_the_period_is_over(
        self, calls: Meter, schedule: Any
    ) -> None:
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(100), direction="down")
        use(99, "a")
        assert look() == []

        ended = [alert for alert in look(APRIL) if alert.period_start == date(2026, 3, 1)]

        assert [alert.value for alert in ended] == [99]

    def test_a_latest_value_below_is_told_of_at_once(self, tenant: Any) -> None:
        make_customer()
        level = create_meter(
            key="level",
            name="Level",
            event_type="level",
            aggregation="latest",
            value_property="n",
            now=MARCH,
        )
        rule(metric="usage", meter_id=level.id, threshold=Decimal(10), direction="down")
        assert look() == []

        use(9, "a", type="level")

        assert len(look()) == 1


class TestSpend:
    def test_the_accrued_amount_is_that_of_the_coming_invoice(self, schedule: Any) -> None:
        rule(metric="spend", threshold=Decimal("50.00"), currency="USD")
        use(1499, "a")  # 499 beyond the 1,000 included, at 0.10
        assert look() == []

        use(1, "b")

        (alert,) = look()
        assert (alert.value, alert.unit) == (Decimal("50.00"), "USD")

    def test_an_amount_in_another_currency_is_not_compared(self, schedule: Any) -> None:
        rule(metric="spend", threshold=Decimal(1), currency="EUR")
        use(5000, "a")

        assert look() == []

    def test_a_percentage_is_of_the_commitment_and_its_top_up_is_no_spending(
        self, schedule: Any
    ) -> None:
        rule(metric="spend", basis="percent", threshold=Decimal(50))
        use(2999, "a")  # 199.90 of 400
        assert look() == []

        use(1, "b")

        (alert,) = look()
        assert (alert.value, alert.limit, alert.base) == (200, 200, 400)

    def test_a_commitment_that_was_not_reached_is_told_of_at_its_end(self, schedule: Any) -> None:
        rule(metric="spend", basis="percent", threshold=Decimal(100), direction="down")
        use(2000, "a")
        assert look() == []

        ended = [alert for alert in look(APRIL) if alert.period_start == date(2026, 3, 1)]

        assert [alert.value for alert in ended] == [100]


class TestWhoIsTold:
    def test_the_stream_and_every_address_once(self, calls: Meter, schedule: Any) -> None:
        rule(
            name="Half way",
            metric="usage",
            meter_id=calls.id,
            threshold=Decimal(5),
            emails=["Ops@example.com", "sales@example.com"],
        )
        use(5, "a")
        look()
        look()

        event = Event.objects.get(type="alert.triggered")
        assert event.data["customer"] == "Acme"
        assert (event.data["value"], event.data["limit"], event.data["unit"]) == (
            "5",
            "5",
            "calls",
        )
        mails = OutgoingMail.objects.order_by("to")
        assert [mail.to for mail in mails] == ["ops@example.com", "sales@example.com"]
        assert mails[0].subject == "Acme: Half way"
        assert "Acme: 5 calls is at or above 5 calls." in mails[0].text

    def test_a_rule_of_one_customer_leaves_others_alone(self, calls: Meter, schedule: Any) -> None:
        other = make_customer("Borg")
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(5), customer_id=other.id)
        use(50, "a")
        assert look() == []

        use(50, "b", customer="borg")

        assert [alert.customer_id for alert in look()] == [other.id]

    def test_two_workers_at_once_tell_of_it_once(
        self, calls: Meter, schedule: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(5))
        use(5, "a")
        assert len(look()) == 1
        # The second has looked for known alerts before the first wrote its own.
        monkeypatch.setattr(Alert.objects, "filter", lambda **_names: Alert.objects.none())

        assert look() == []
        assert Event.objects.filter(type="alert.triggered").count() == 1


class TestRules:
    def test_a_rule_that_asks_something_else_may_tell_again(
        self, calls: Meter, schedule: Any
    ) -> None:
        made = rule(metric="usage", meter_id=calls.id, threshold=Decimal(5))
        use(50, "a")
        assert len(look()) == 1

        renamed = RuleTerms(
            name="New name", metric="usage", meter_id=calls.id, threshold=Decimal(5)
        )
        change_rule(rule_id=made.id, terms=renamed, now=MARCH)
        assert look() == []
        change_rule(
            rule_id=made.id,
            terms=RuleTerms(
                name="New name", metric="usage", meter_id=calls.id, threshold=Decimal(20)
            ),
            now=MARCH,
        )

        assert [alert.limit for alert in look()] == [20]

    def test_a_rule_that_is_off_or_removed_watches_nothing(
        self, calls: Meter, schedule: Any
    ) -> None:
        off = rule(metric="usage", meter_id=calls.id, threshold=Decimal(5), is_active=False)
        gone = rule(metric="usage", meter_id=calls.id, threshold=Decimal(5))
        remove_rule(rule_id=gone.id)
        use(50, "a")

        assert look() == []
        assert not terms_of(off).is_active

    @pytest.mark.parametrize(
        ("field", "terms"),
        [
            ("name", {"name": " ", "metric": "spend", "currency": "USD"}),
            ("meter", {"metric": "usage"}),
            ("currency", {"metric": "spend"}),
            ("currency", {"metric": "spend", "currency": "XXZ"}),
            ("threshold", {"metric": "spend", "currency": "USD", "threshold": Decimal(0)}),
            ("emails", {"metric": "spend", "currency": "USD", "emails": ["nobody"]}),
        ],
    )
    def test_what_is_wrong_is_named(self, tenant: Any, field: str, terms: dict[str, Any]) -> None:
        with pytest.raises(AlertRuleInvalid, match=rf"^{field}: "):
            create_rule(RuleTerms(**{"name": "x", "threshold": Decimal(1), **terms}), now=MARCH)


class TestWhenItIsLookedAt:
    def test_arrivals_say_whom_to_look_at(self, calls: Meter, schedule: Any) -> None:
        now = timezone.now()
        assert customers_to_watch(now=now) == []  # without rules
        rule(metric="usage", meter_id=calls.id, threshold=Decimal(5))
        assert customers_to_watch(now=now) == [schedule.customer_id]  # the rule is new
        later = now + timedelta(minutes=5)
        assert customers_to_watch(now=later) == []

        AlertWatch.objects.update(seen_until=timezone.now())
        use(5, "a")

        assert customers_to_watch(now=timezone.now()) == [schedule.customer_id]
        assert len(evaluate(customer_ids=[schedule.customer_id], now=MARCH)) == 1


class TestCredits:
    def test_credits_that_run_low_are_told_of_at_once_and_again_after_a_top_up(
        self, calls: Meter, schedule: Any
    ) -> None:
        rule(
            metric="credits",
            basis="percent",
            threshold=Decimal(10),
            direction="down",
            credit_unit="calls",
        )

        def give(units: int) -> None:
            words = CreditWords(
                customer_id=schedule.customer_id,
                name="Pack",
                amount=Decimal(units),
                kind="meter",
                meter_id=calls.id,
            )
            start = MARCH.replace(day=1)
            grant_credits(words=words, now=MARCH, effective_at=start)

        give(1000)
        use(1899, "a")  # 1,000 are included and need no credits
        assert look() == []
        use(1, "b")

        (alert,) = look()
        assert (alert.value, alert.limit, alert.unit) == (100, 100, "calls")
        assert look() == []
        give(500)
        assert look() == [], "600 of 1,500 are left"
        use(450, "c")
        assert [alert.value for alert in look()] == [150]
