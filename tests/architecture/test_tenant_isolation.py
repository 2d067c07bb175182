"""Every table is isolated by Postgres, or a named decision says why it is not."""

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from monetization.customers.models import Customer, CustomerAlias
from monetization.tenancy.context import TenantAlreadyBound, TenantNotBound, tenant_context
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel, TenantPart

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

TENANT_KEYS = """
SELECT conrelid::regclass::text FROM pg_constraint
 WHERE contype = 'f' AND confrelid = 'tenancy_tenant'::regclass AND cardinality(conkey) = 1
"""

# Rows of a tenant are always found with it: an index on a column alone is never better than one
# on the tenant and the column, and every row that is written pays for both.
COVERED_INDEXES = """
WITH known AS (
  SELECT i.indexrelid, i.indrelid, i.indisunique, i.indpred,
         ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int[]) WITH ORDINALITY k(number, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                ORDER BY k.place) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity),
     bare AS (SELECT *, array_remove(columns, 'tenant_id') AS rest FROM known)
SELECT a.indrelid::regclass::text, a.indexrelid::regclass::text, b.indexrelid::regclass::text
  FROM bare a
  JOIN bare b ON b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid
   AND b.columns[1] = 'tenant_id' AND b.indpred IS NULL
   AND b.rest[:cardinality(a.rest)] = a.rest
 WHERE NOT a.indisunique AND a.indpred IS NULL AND array_position(a.columns, NULL) IS NULL
   AND (cardinality(b.rest) > cardinality(a.rest) OR b.indexrelid > a.indexrelid
        OR a.columns[1] <> 'tenant_id')
 ORDER BY 1, 2
"""


@pytest.mark.django_db
def test_no_index_is_the_beginning_of_another() -> None:
    with connection.cursor() as cursor:
        cursor.execute(COVERED_INDEXES)
        assert cursor.fetchall() == []


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


def test_what_has_its_tenant_by_another_row_must_have_that_row() -> None:
    parts = [model for model in apps.get_models() if issubclass(model, TenantPart)]
    alone = {
        model.__name__
        for model in parts
        if not any(
            isinstance(field, TenantForeignKey) and not field.null
            for field in model._meta.local_fields
        )
    }
    assert parts
    assert alone == set()


@pytest.mark.django_db
def test_every_tenant_is_there_by_its_own_reference_or_by_that_of_another_row() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TENANT_KEYS)
        by_its_own = {name for (name,) in cursor.fetchall()}

    without = {
        model._meta.db_table
        for model in apps.get_models()
        if model._meta.managed and issubclass(model, TenantModel)
    } - by_its_own
    parts = {m._meta.db_table for m in apps.get_models() if issubclass(m, TenantPart)}
    assert without == parts


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
