"""The day it is, and the clock that is shown: the company's, and UTC in the API."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from monetization.customers.services import create_customer
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity, tenant_today
from tests.factories import make_member, make_tenant

NOON = datetime(2026, 4, 3, 12, tzinfo=UTC)
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def company(db: None) -> Any:
    return make_tenant("Northwind Software")


@pytest.fixture
def signed_in(company: Any) -> Callable[[str], Client]:
    def sign_in(role: str) -> Client:
        client = Client()
        client.force_login(make_member(company, role), backend=BACKEND)
        return client

    return sign_in


class TestDatesAreTheCompanys:
    """At noon UTC on 3 April it is 02:00 on the 4th on Kiritimati (UTC+14)."""

    @pytest.fixture(autouse=True)
    def _far_east(self, company: Any) -> Any:
        company.time_zone = "Pacific/Kiritimati"
        company.save(update_fields=["time_zone"])
        with time_machine.travel(NOON, tick=False):
            yield

    def test_today_is_the_day_where_the_books_are_kept(self, company: Any) -> None:
        with tenant_context(company.id):
            assert tenant_today() == date(2026, 4, 4)

    def test_a_quote_starts_today_by_the_calendar_there(
        self, signed_in: Callable[[str], Client]
    ) -> None:
        assert 'value="2026-04-04"' in signed_in("revops").get("/quotes/new/").content.decode()

    def test_instants_of_the_api_are_utc_whoever_asks(
        self, company: Any, signed_in: Callable[[str], Client]
    ) -> None:
        with tenant_context(company.id):
            create_customer(
                name="Ada",
                currency="USD",
                legal_entity_id=LegalEntity.objects.get().id,
                now=NOON,
            )
        first = signed_in("owner").get("/api/v1/events").json()["results"][0]
        assert first["occurred_at"] == "2026-04-03T12:00:00Z"
