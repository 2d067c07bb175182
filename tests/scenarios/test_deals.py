"""Deals people really sell: from the builder to the signature to the first invoices.

Every amount is worked by hand in the comment above it.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from monetization.catalog.models import Product
from monetization.catalog.services import create_price
from monetization.catalog.term_discounts import save_term_discount
from tests.factories_billing import make_customer
from tests.scenarios.deals import line, make_products, phase, sell, tiers, use

D = Decimal


@pytest.fixture(autouse=True)
def _catalog(tenant: Any) -> None:
    make_products()


class TestTheSixKindsOfDeal:
    def test_three_years_with_a_ramp_bill_each_year_at_its_price(self) -> None:
        yearly = {"frequency": "yearly"}
        deal = sell(
            phase(line("platform", "36000", **yearly), name="Year 1"),
            phase(line("platform", "37800", **yearly), name="Year 2", kind="ramp"),
            phase(line("platform", "39690", **yearly), name="Year 3", kind="ramp"),
            start=date(2027, 1, 1),
        )

        # 36,000 + 37,800 + 39,690 = 113,490 over three years; 37,830 a year.
        assert deal.value == D(113490)
        assert deal.version.annual_contract_value == D(37830)
        assert deal.invoices(date(2029, 1, 2)) == {
            "2027-01-01": D(36000),
            "2028-01-01": D(37800),
            "2029-01-01": D(39690),
        }

    def test_usage_on_volume_prices_every_unit_at_the_tier_reached(self) -> None:
        price = tiers("volume", ("100000", "0.010"), (None, "0.008"))
        deal = sell(
            phase(line("calls", model=price, expected_quantity="50000")), start=date(2027, 1, 1)
        )
        use("calls", 100_000, date(2027, 1, 31))
        use("calls", 120_000, date(2027, 2, 10))

        # Nothing is committed. January: the bound belongs to the lower tier, 100,000 x 0.010 =
        # 1,000. February: all 120,000 x 0.008 = 960, less than January for more.
        assert deal.value == D(0)
        found = deal.invoices(date(2027, 3, 1))
        assert (found["2027-02-01"], found["2027-03-01"]) == (D(1000), D(960))

    def test_a_fixed_fee_project_bills_once_and_a_retainer_by_month(self) -> None:
        deal = sell(
            phase(
                line("setup", "25000", frequency="one_time"),
                line("support", "2000", timing="in_arrears"),
                months=3,
            ),
            start=date(2027, 2, 1),
        )

        # 25,000 on the first day; 2,000 after each of three months: 31,000.
        assert deal.value == D(31000)
        assert deal.invoices(date(2027, 5, 1)) == {
            "2027-02-01": D(25000),
            "2027-03-01": D(2000),
            "2027-04-01": D(2000),
            "2027-05-01": D(2000),
        }

    @pytest.mark.parametrize(
        ("years", "percent", "value", "first"),
        [
            # 12 x 1,000 = 12,000 at list.
            (1, "0", D(12000), D(1000)),
            # 24 x 900 = 21,600, 10 % off for two years.
            (2, "10", D(21600), D(900)),
            # 36 x 825 = 29,700, 17.5 % off for three.
            (3, "17.5", D(29700), D(825)),
        ],
    )
    def test_a_longer_commitment_costs_less_each_month(
        self, years: int, percent: str, value: Decimal, first: Decimal
    ) -> None:
        deal = sell(
            phase(
                line("platform", "1000"),
                months=12 * years,
                discount_percent=percent,
                discount_label="Commitment",
            ),
            start=date(2027, 1, 1),
        )

        assert deal.value == value
        assert deal.invoices(date(2027, 1, 1))["2027-01-01"] == first

    def test_a_rule_of_the_catalog_gives_a_longer_commitment_its_discount(self) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        listed = create_price(
            product_id=Product.objects.get(code="platform").id,
            code="platform-usd",
            name="Platform",
            currency="USD",
            frequency="monthly",
            timing="in_advance",
            model={"model": "flat", "amount": "1000"},
            meter_id=None,
            now=now,
        )
        for name, months, percent in (("Two years", 24, "10"), ("Three years", 36, "17.5")):
            values = {"name": name, "min_months": months, "percent": D(percent)}
            save_term_discount(values=values)
        price = str(listed.versions.get().id)
        lines = line("platform", price_version=price), line("setup", "900", frequency="one_time")

        deal = sell(phase(*lines, months=36), start=date(2027, 1, 1))

        # 36 x 825 = 29,700 at 17.5 % off, and 900 once, off the list: no discount.
        assert deal.value == D(30600)
        assert deal.form.terms["phases"][0]["discounts"][0]["label"] == "Three years"
        assert deal.invoices(date(2027, 2, 1)) == {
            "2027-01-01": D(1725),
            "2027-02-01": D(825),
            "2027-03-01": D(825),
        }

    def test_seats_per_module_bill_each_module_at_its_price(self) -> None:
        deal = sell(
            phase(
                line("crm", "65.00", quantity="120"),
                line("analytics", "40.00", quantity="25", discount_percent="50"),
                line("admin", "12.50", quantity="7"),
            ),
            start=date(2027, 1, 1),
        )

        # CRM 120 x 65 = 7,800; analytics 25 x 40 = 1,000 less half = 500; admin 7 x 12.50 =
        # 87.50: 8,387.50 a month, 100,650 a year.
        assert deal.value == D(100650)
        deal.invoices(date(2027, 1, 1))
        assert deal.lines(date(2027, 1, 1)) == {
            "crm": D(7800),
            "analytics": D(500),
            "admin": D("87.5"),
        }

    def test_a_trial_is_free_and_the_term_after_it_is_not(self) -> None:
        lines = line("platform", "500"), line("crm", "30", quantity="10")
        deal = sell(
            phase(*lines, months=1, kind="trial", name="Trial", discount_percent="100"),
            phase(*lines, months=12, name="Year"),
            start=date(2027, 1, 15),
            anchor_day=15,
        )

        # One month free, then 12 x (500 + 10 x 30) = 9,600.
        assert deal.value == D(9600)
        assert deal.invoices(date(2027, 2, 15)) == {
            "2027-01-15": D(0),
            "2027-02-15": D(800),
            "2027-03-15": D(800),
        }


class TestHarderDeals:
    def test_a_start_in_the_middle_of_the_month_bills_the_part_first(self) -> None:
        deal = sell(phase(line("platform", "1000")), start=date(2027, 1, 20), anchor_day=1)

        # 20-31 January is 12 of 31 days: 1,000 x 12/31 = 387.0967... = 387.10. The twelfth
        # month runs to 20 January 2028: 19 of 31 days = 612.90. Eleven whole months between.
        found = deal.invoices(date(2028, 1, 19))
        assert found["2027-01-20"] == D("387.1")
        assert found["2027-02-01"] == D(1000)
        assert found["2028-01-01"] == D("612.9")
        assert sum(found.values()) == deal.value == D(12000)

    def test_yen_on_the_31st_in_tokyo_fall_on_the_last_day_of_short_months(self) -> None:
        customer = make_customer(currency="JPY", time_zone="Asia/Tokyo")
        deal = sell(
            phase(line("platform", "100000", discount_percent="33.3")),
            start=date(2027, 1, 31),
            anchor_day=31,
            customer=customer,
        )

        # 100,000 less 33.3 % = 66,700 yen. The 28 February invoice is due when it is midnight
        # in Tokyo, 15:00 UTC on the 27th.
        assert list(deal.invoices(date(2027, 2, 27), hour=14)) == ["2027-01-31", "2027-02-28"]
        assert deal.schedule.invoices.get(bill_on=date(2027, 2, 28)).status == "in_progress"
        found = deal.invoices(date(2027, 2, 27), hour=15)
        assert deal.schedule.invoices.get(bill_on=date(2027, 2, 28)).status == "draft"
        assert found == {"2027-01-31": D(66700), "2027-02-28": D(66700), "2027-03-31": D(66700)}
        assert deal.value == D(800400)

    def test_a_phase_that_ends_within_a_quarter_cuts_it_exactly(self) -> None:
        quarterly = {"frequency": "quarterly"}
        deal = sell(
            phase(line("platform", "9000", **quarterly), months=2, name="Pilot"),
            phase(line("platform", "12000", **quarterly), months=10, name="Roll-out"),
            start=date(2027, 1, 1),
        )

        # The first quarter has 90 days: 59 at 9,000 = 5,900; 31 at 12,000 = 4,133.33; then
        # three quarters at 12,000.
        found = deal.invoices(date(2027, 10, 1))
        assert found == {
            "2027-01-01": D(5900),
            "2027-03-01": D("4133.33"),
            "2027-04-01": D(12000),
            "2027-07-01": D(12000),
            "2027-10-01": D(12000),
        }
        assert sum(found.values()) == deal.value == D("46033.33")

    def test_a_monthly_minimum_tops_usage_up_and_counts_in_full_when_nothing_is_used(self) -> None:
        price = tiers("graduated", ("1000", "0.50"), (None, "0.25"))
        deal = sell(
            phase(
                line("calls", model=price),
                minimum_amount="600",
                minimum_frequency="monthly",
            ),
            start=date(2027, 1, 1),
        )
        use("calls", 800, date(2027, 1, 10))
        use("calls", 2000, date(2027, 2, 10))

        # Committed 12 x 600 = 7,200. January: 800 x 0.50 = 400, topped up by 200. February:
        # 1,000 x 0.50 + 1,000 x 0.25 = 750, above. March: nothing used, 600.
        assert deal.value == D(7200)
        found = deal.invoices(date(2027, 4, 1))
        assert [found[day] for day in ("2027-02-01", "2027-03-01", "2027-04-01")] == [
            D(600),
            D(750),
            D(600),
        ]
        assert deal.lines(date(2027, 2, 1))["minimum"] == D(200)

    def test_a_yearly_commitment_is_topped_up_by_what_all_twelve_months_lack(self) -> None:
        deal = sell(
            phase(line("calls", "0.10"), minimum_amount="10000", minimum_frequency="yearly"),
            start=date(2027, 1, 1),
        )
        for month in (1, 4, 9):
            use("calls", 30_000, date(2027, month, 5))

        # 3 x 30,000 x 0.10 = 9,000 over the year; the top-up is 1,000 at its end, not 10,000.
        found = deal.invoices(date(2028, 1, 1))
        assert found["2027-02-01"] == D(3000)
        assert found["2028-01-01"] == D(1000)
        assert sum(found.values()) == deal.value == D(10000)

    def test_one_invoice_when_a_year_a_month_and_a_set_up_meet(self) -> None:
        deal = sell(
            phase(
                line("platform", "12000", frequency="yearly"),
                line("crm", "50", quantity="20"),
                line("setup", "3500", frequency="one_time"),
                line("calls", "0.02"),
            ),
            start=date(2027, 1, 1),
        )
        use("calls", 5000, date(2027, 1, 3))

        # 12,000 + 20 x 50 + 3,500 = 16,500; then 1,000 of seats in advance and January's
        # 5,000 x 0.02 = 100 in arrears on one invoice.
        assert deal.invoices(date(2027, 2, 1))["2027-01-01"] == D(16500)
        assert deal.lines(date(2027, 2, 1)) == {
            "calls": D(100),
            "crm": D(1000),
        }

    def test_an_add_on_in_the_second_phase_ends_with_the_rest(self) -> None:
        platform = line("platform", "1000")
        deal = sell(
            phase(platform, months=5, name="Start"),
            phase(platform, line("support", "6000", frequency="half_yearly"), months=7),
            start=date(2027, 1, 1),
        )

        # Half-years run from January: support joins on 1 June for the last 30 of the first
        # half's 181 days, 6,000 x 30/181 = 994.475 = 994.48, then 6,000.
        found = deal.invoices(date(2027, 12, 1))
        assert found["2027-06-01"] == D("1994.48")
        assert found["2027-07-01"] == D(7000)
        assert sum(found.values()) == deal.value == D("18994.48")

    def test_free_months_in_the_middle_bill_nothing_and_seats_grow_after_them(self) -> None:
        deal = sell(
            phase(line("crm", "20", quantity="50"), months=3),
            phase(line("crm", "20", quantity="50"), months=1, discount_percent="100"),
            phase(line("crm", "18", quantity="80"), months=8, kind="ramp"),
            start=date(2027, 1, 1),
        )

        # 3 x 1,000, a month free, 8 x 80 x 18 = 1,440: 3,000 + 11,520 = 14,520.
        assert deal.value == D(14520)
        found = deal.invoices(date(2027, 5, 1))
        assert list(found.values())[:5] == [D(1000), D(1000), D(1000), D(0), D(1440)]

    def test_packages_round_up_after_the_free_units(self) -> None:
        package = {
            "model": "package",
            "size": "1000",
            "package_price": "15",
            "free_units": "500",
            "at_least_one": True,
        }
        deal = sell(phase(line("storage", model=package)), start=date(2027, 1, 1))
        use("storage", 2501, date(2027, 2, 2))

        # January: nothing stored, yet one package is billed: 15. February: 2,501 - 500 =
        # 2,001 units need 3 packages: 45. At least one package a month is committed: 180.
        found = deal.invoices(date(2027, 3, 1))
        assert (found["2027-02-01"], found["2027-03-01"]) == (D(15), D(45))
        assert deal.value == D(180)

    def test_a_backdated_contract_has_a_draft_for_every_month_that_is_over(self) -> None:
        customer = make_customer(time_zone="America/New_York")
        deal = sell(
            phase(line("platform", "250")),
            start=date(2026, 11, 1),
            signed=_at(2027, 2, 10),
            customer=customer,
        )

        found = deal.invoices(date(2027, 2, 10))

        # November to February in advance; the March invoice is the one in progress.
        assert found == {
            "2026-11-01": D(250),
            "2026-12-01": D(250),
            "2027-01-01": D(250),
            "2027-02-01": D(250),
            "2027-03-01": D(250),
        }
        drafts = deal.schedule.invoices.filter(status="draft").count()
        assert drafts == 4

    def test_an_open_end_is_worth_its_first_year_and_bills_beyond_it(self) -> None:
        deal = sell(
            phase(line("platform", "400"), months=6),
            phase(line("platform", "450"), months=None),
            start=date(2027, 1, 1),
        )

        # 6 x 400 + 6 x 450 = 5,100 in the first twelve months.
        assert deal.value == D(5100)
        found = deal.invoices(date(2028, 3, 1))
        assert found["2028-03-01"] == D(450)
        assert len(found) == 16

    def test_dinars_keep_three_decimals_and_stack_two_discounts_in_order(self) -> None:
        customer = make_customer(currency="KWD")
        deal = sell(
            phase(
                line("crm", "3.335", quantity="7", discount_percent="10"),
                months=3,
                discount_percent="5",
            ),
            start=date(2027, 1, 1),
            customer=customer,
        )

        # 7 x 3.335 = 23.345; less 10 % = 21.0105; less 5 % of that = 19.959975 = 19.960, once.
        assert deal.invoices(date(2027, 1, 1))["2027-01-01"] == D("19.96")
        assert deal.value == D("59.88")


def _at(year: int, month: int, day: int) -> Any:
    from datetime import UTC, datetime

    return datetime(year, month, day, 9, tzinfo=UTC)
