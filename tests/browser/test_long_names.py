"""Names of eighty letters without a blank: they wrap, and amounts stay in sight."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from billing.domain.manual_lines import ManualEntry
from billing.services.drafts import create_one_off
from monetization.customers.models import Customer
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.factories_billing import make_customer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


def test_a_long_name_wraps_and_the_amounts_stay_in_sight(
    make_tenant: Callable[..., Any], sign_in: Callable[[Any], Any]
) -> None:
    company = make_tenant("Northwind Software")
    with tenant_context(company.id, actor="test"):
        customer = make_customer()
        Customer.objects.update(name=LONG, legal_name=LONG)
        invoice = create_one_off(
            customer_id=customer.id,
            bill_on=date(2026, 11, 1),
            entries=[ManualEntry(LONG, amount=Decimal("9999999.99"))],
            now=timezone.now(),
        )
    page = sign_in(make_member(company, "finance"))
    page.goto(f"/billing/invoices/{invoice.id}/")
    lines = page.locator(".paper .scroll")
    assert lines.evaluate("each => each.scrollWidth <= each.clientWidth")

    page.set_viewport_size({"width": 390, "height": 800})
    for address in (page.url, f"/customers/{customer.id}", "/billing/invoices/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
