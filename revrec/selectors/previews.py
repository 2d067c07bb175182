"""What quotes would earn, by the functions that plan what contracts earn."""

from dataclasses import dataclass
from datetime import date, timedelta

from billing.models import BillingSchedule
from billing.services.amendments import RUNNING, AmendmentPreview, preview_amendment
from monetization.kernel.money import Money, total
from monetization.ledger.services import first_open_day, month_of
from monetization.pricing.terms import OrderTerms, terms_from_data
from quotes.models import Quote, QuoteVersion
from revrec.domain.preview import EffectMonth, amendment_effect
from revrec.selectors.by_month import latest_recognized_month
from revrec.selectors.recognition import month_end


@dataclass(frozen=True, slots=True)
class AmendmentEffect:
    """What signing an amendment would credit, charge and earn."""

    schedule: BillingSchedule
    billing: AmendmentPreview
    months: tuple[EffectMonth, ...]

    @property
    def before(self) -> Money:
        return total((one.before for one in self.months), self.schedule.currency)

    @property
    def after(self) -> Money:
        return total((one.after for one in self.months), self.schedule.currency)

    @property
    def difference(self) -> Money:
        return self.after - self.before


def amended_schedule(version: QuoteVersion) -> BillingSchedule | None:
    """Return the running schedule an amendment would end; None for any other quote."""
    if version.quote.kind != Quote.Kind.AMENDMENT:
        return None
    found: BillingSchedule | None = BillingSchedule.objects.filter(
        order_form_id=version.quote.amends_id, status__in=RUNNING, ended_on__isnull=True
    ).first()
    return found


def effect_of(schedule: BillingSchedule, terms: OrderTerms) -> AmendmentEffect:
    """Return what an amendment of a running schedule does to its bills and its revenue.

    :param terms: the amendment's, from its first day on.
    """
    return AmendmentEffect(
        schedule=schedule,
        billing=preview_amendment(schedule=schedule, terms=terms),
        months=amendment_effect(
            terms_from_data(schedule.terms), terms, first_open=first_month_to_catch_up()
        ),
    )


def first_month_to_catch_up() -> date | None:
    """Return the month in which what recognized months should have earned is posted.

    That is the last one recognized while its books are open, else the first open one; None
    before anything was recognized.
    """
    latest = latest_recognized_month()
    return month_of(first_open_day(month_end(latest) - timedelta(days=1))) if latest else None
