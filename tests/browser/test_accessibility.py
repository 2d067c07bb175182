"""Every page and what stands on it can be named, reached by keyboard and read: axe-core looks.

The demo company in small is walked through as people do. What axe finds of WCAG 2.2 AA or of its
best practices, of any impact, fails, in the light and in the dark theme.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from monetization.tenancy.models import Tenant
from monetization.users.models import Membership
from tests.browser.accessibility import AXE, Reader

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: `npm ci`"),
]
CUSTOMERS = 8
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def demo(site: str, settings: Any, tmp_path: Path) -> Any:
    """The demo company with a few customers: a year of books, and quotes in every state."""
    cache.clear()  # no limit reached by other tests
    settings.VAR_DIR = tmp_path
    call_command("load_demo", customers=CUSTOMERS, verbosity=0)
    return Tenant.objects.get(slug="tidewater")


@pytest.fixture
def as_role(demo: Any, site: str, open_page: Callable[..., Any]) -> Callable[..., Reader]:
    """Open pages as a member of the demo company."""

    def enter(role: str) -> Reader:
        client = Client()
        user = Membership.objects.get(tenant=demo, role=role).user
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        page = open_page()
        session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}
        page.context.add_cookies([session])
        return Reader(page)

    return enter


def test_every_page_one_gets_to(demo: Any, as_role: Callable[..., Reader]) -> None:
    reader = as_role("owner")

    reader.follow("/")

    assert not reader.problems, "\n".join(reader.problems)
    assert len(reader.kinds) > 85, sorted(reader.kinds)
