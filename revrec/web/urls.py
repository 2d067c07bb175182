from datetime import date

from django.urls import path, register_converter

from revrec.web import books, contracts, months, previews, views

app_name = "revrec"


class MonthConverter:
    """A month in an address: 2026-10. As everywhere, from 1970 to 2199."""

    regex = "(?:19[7-9][0-9]|2[01][0-9]{2})-(?:0[1-9]|1[0-2])"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(f"{value}-01")

    def to_url(self, value: date) -> str:
        return f"{value:%Y-%m}"


register_converter(MonthConverter, "month")

urlpatterns = [
    path("", views.waterfall, name="waterfall"),
    path("deferred/", views.deferred, name="deferred"),
    path("positions/", views.positions, name="positions"),
    path("trial-balance/", books.trial_balance, name="trial-balance"),
    path("journal/", books.journal, name="journal"),
    path("months/", months.month_list, name="months"),
    path("months/<month:month>/", months.month_detail, name="month"),
    path("months/<month:month>/recognize/", months.recognize, name="month-recognize"),
    path("months/<month:month>/close/", months.close, name="month-close"),
    path("months/<month:month>/reopen/", months.reopen, name="month-reopen"),
    path("contracts/<uuid:schedule_id>/", contracts.contract, name="contract"),
    path("quotes/<uuid:version_id>/", previews.quote_revenue, name="quote-revenue"),
    path(
        "contracts/<uuid:schedule_id>/summary/", contracts.contract_revenue, name="contract-revenue"
    ),
]
