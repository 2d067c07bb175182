"""A meter's versions, seen through a signed-in browser."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from metering import services
from metering.models import Meter
from monetization.jobs.models import Job
from monetization.tenancy.context import tenant_context
from tests.integration.metering.test_web import customer_of, received, sent, signed_in

DEFINITION: dict[str, Any] = {
    "event_type": "api.called",
    "aggregation": "sum",
    "value_property": "calls",
}


@pytest.fixture
def company(make_tenant: Any) -> Any:
    tenant = make_tenant("Northwind Software")
    customer_of(tenant)
    received(tenant, sent())
    with tenant_context(tenant.id, actor="test"):
        services.create_meter(key="calls", name="Calls", now=timezone.now(), **DEFINITION)
    return tenant


@pytest.fixture
def path(company: Any) -> str:
    with tenant_context(company.id):
        return f"/usage/meters/{Meter.objects.get().id}/versions"


@pytest.mark.django_db
class TestVersions:
    def test_trying_shows_both_numbers_and_saves_nothing(self, company: Any, path: str) -> None:
        asked = {**DEFINITION, "value_property": "", "expression": "calls * 3", "action": "try"}

        page = signed_in(company).post(f"{path}/new", asked)

        assert page.status_code == 200
        assert (page.context["counted"].quantity, page.context["tried"].quantity) == (5, 15)
        assert page.context["recent"][0].values == (5, 15)
        with tenant_context(company.id):
            assert not Meter.objects.get().versions.exists()

    def test_a_new_one_is_listed_with_what_changed_and_how_far_it_is(
        self, company: Any, path: str
    ) -> None:
        browser = signed_in(company)
        asked = {**DEFINITION, "filters": "region: eu-1", "group_by": "region"}

        begun = browser.post(f"{path}/new", {**asked, "action": "save"})
        page = browser.get(path)

        assert begun.status_code == 302, begun.content
        (new, changed, job), (first, _, _) = page.context["rows"]
        assert [(new.number, new.status), (first.number, first.status)] == [
            (2, "building"),
            (1, "active"),
        ]
        assert [(one.name, one.before, one.after) for one in changed] == [
            ("Only region", "", "eu-1"),
            ("Told apart by", "", "region"),
        ]
        with tenant_context(company.id):
            assert job == Job.objects.get(kind="meters.rebuild")

    def test_one_being_built_is_given_up_and_can_be_begun_again(
        self, company: Any, path: str
    ) -> None:
        browser = signed_in(company)
        browser.post(f"{path}/new", {**DEFINITION, "expression": "", "aggregation": "max"})
        browser.post(f"{path}/cancel")

        page = browser.get(path)
        form = browser.get(f"{path}/new?from=2").context["form"]

        assert page.context["rows"][0][0].status == "cancelled"
        assert form.initial["aggregation"] == "max"

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"value_property": "", "expression": "calls +"}, "expression"),
            ({"expression": "calls"}, "expression"),
            ({"carries_over": "on"}, "carries_over"),
            ({}, "__all__"),
        ],
    )
    def test_says_what_is_wrong_at_the_field(
        self, company: Any, path: str, wrong: dict[str, str], field: str
    ) -> None:
        page = signed_in(company).post(f"{path}/new", {**DEFINITION, **wrong})

        assert page.status_code == 422
        assert list(page.context["form"].errors) == [field]

    def test_another_companys_meter_does_not_exist(self, make_tenant: Any, path: str) -> None:
        browser = signed_in(make_tenant("Other"))
        assert browser.get(path).status_code == 404
        assert browser.get(f"{path}/new").status_code == 404

    def test_who_may_not_change_the_catalog_only_looks(self, company: Any, path: str) -> None:
        browser: Client = signed_in(company, "auditor")
        assert browser.get(path).status_code == 200
        assert browser.get(f"{path}/new").status_code == 403
        assert browser.post(f"{path}/cancel").status_code == 403

    def test_a_meter_told_apart_shows_its_groups(self, company: Any) -> None:
        with tenant_context(company.id, actor="test"):
            made = services.create_meter(
                key="by-region",
                name="By region",
                now=timezone.now(),
                group_by=["region"],
                **DEFINITION,
            )

        page = signed_in(company).get(f"/usage/meters/{made.id}")

        assert [(one.group, one.quantity) for one in page.context["groups"]] == [(("eu-1",), 5)]


@pytest.mark.django_db
def test_usage_pages_are_found_with_a_slash_at_the_end_too(company: Any, path: str) -> None:
    browser = signed_in(company)

    for page in ("/usage/unmatched", "/usage/meters", "/usage/health", path):
        answer = browser.get(f"{page}/?a=b")
        assert (answer.status_code, answer["Location"]) == (308, f"{page}?a=b")
    assert browser.get("/usage/nothing/here/").status_code == 404
    assert browser.get("/usage/").status_code == 200
