"""Every table is isolated by Postgres, or a named decision says why it is not."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from monetization.customers.models import Customer, CustomerAlias
from monetization.tenancy.context import TenantAlreadyBound, TenantNotBound, tenant_context
from monetization.tenancy.models import LegalEntity, TenantForeignKey

# Tables that belong to no tenant. Adding a name here is a decision for an ADR.
GLOBAL_TABLES = {
    "tenancy_tenant",
    "users_user",
    "users_user_groups",
    "users_user_user_permissions",
    "users_membership",
    "users_apikey",
    "account_emailaddress",
    "account_emailconfirmation",
    "mfa_authenticator",
    "rest_framework_api_key_apikey",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "django_admin_log",
    "django_content_type",
    "django_migrations",
    "django_session",
}

TABLES = """
SELECT c.relname,
       c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
           SELECT FROM pg_policy p WHERE p.polrelid = c.oid
              AND pg_get_expr(p.polqual, p.polrelid) LIKE '%%current_tenant_id()%%'
              AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%%current_tenant_id()%%')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
"""

COMPOSITE_KEYS = """
SELECT t.relname, a.attname
FROM pg_constraint k
JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[2]
WHERE k.contype = 'f' AND array_length(k.conkey, 1) = 2
"""


@pytest.mark.django_db
def test_every_table_is_isolated_or_declared_global() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        isolated = dict(cursor.fetchall())

    open_tables = {name for name, is_isolated in isolated.items() if not is_isolated}
    assert open_tables - GLOBAL_TABLES == set()


@pytest.mark.django_db
def test_every_reference_between_tenant_rows_is_checked_within_the_tenant() -> None:
    with connection.cursor() as cursor:
        cursor.execute(COMPOSITE_KEYS)
        laid = set(cursor.fetchall())

    declared = {
        (model._meta.db_table, field.column)
        for model in apps.get_models()
        if model._meta.managed
        for field in model._meta.local_fields
        if isinstance(field, TenantForeignKey)
    }
    assert declared - laid == set()


@pytest.mark.django_db
def test_the_application_role_cannot_lift_row_level_security() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)


def test_queries_without_a_tenant_fail_loudly() -> None:
    with pytest.raises(TenantNotBound):
        Customer.objects.count()


@pytest.mark.django_db(transaction=True)
def test_raw_sql_and_foreign_keys_cannot_cross_tenants(make_tenant) -> None:  # type: ignore[no-untyped-def]
    acme, globex = make_tenant("Acme"), make_tenant("Globex")
    with tenant_context(acme.id):
        customer = Customer.objects.create(
            name="Ours", currency="USD", legal_entity=LegalEntity.objects.get()
        )

    with tenant_context(globex.id), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customers_customer")
        assert cursor.fetchone() == (0,)

    with pytest.raises(IntegrityError), tenant_context(globex.id), transaction.atomic():
        CustomerAlias.objects.create(customer_id=customer.id, alias="a", valid=(None, None))


@pytest.mark.django_db(transaction=True)
def test_tenants_never_nest(make_tenant) -> None:  # type: ignore[no-untyped-def]
    acme, globex = make_tenant("Acme"), make_tenant("Globex")
    with tenant_context(acme.id), pytest.raises(TenantAlreadyBound), tenant_context(globex.id):
        pass


@pytest.mark.django_db(transaction=True)
def test_a_pooled_connection_carries_no_tenant_after_an_error(make_tenant) -> None:  # type: ignore[no-untyped-def]
    acme = make_tenant("Acme")
    with pytest.raises(RuntimeError), tenant_context(acme.id):
        raise RuntimeError

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_tenant_id(), (SELECT count(*) FROM customers_customer)")
        assert cursor.fetchone() == (None, 0)
