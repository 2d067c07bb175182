"""What opens another company's books stays secret."""

from typing import Any

import pytest
from django.db import connection as database

from integrations import services
from integrations.models import Connection
from monetization.audit.models import AuditEntry
from monetization.tenancy.context import tenant_context
from tests.integration.integrations.conftest import MARCH

pytestmark = pytest.mark.django_db(transaction=True)


class TestCredentials:
    def test_are_unreadable_in_the_database_and_the_audit_trail(self, seller: Any) -> None:
        with tenant_context(seller.id):
            services.connect_xero(client_id="simulator-x", client_secret="hush-hush", now=MARCH)
            with database.cursor() as cursor:
                cursor.execute("SELECT credentials FROM integrations_connection")
                (stored,) = cursor.fetchone()
            trail = str(list(AuditEntry.objects.values_list("changes", flat=True)))

        assert "hush-hush" not in stored + trail
        with tenant_context(seller.id):
            assert "hush-hush" in Connection.objects.get().credentials

    def test_half_of_them_are_refused(self, seller: Any) -> None:
        with tenant_context(seller.id), pytest.raises(services.CredentialsMissing):
            services.connect_xero(client_id="simulator-x", now=MARCH)
