"""The test database is migrated by its owner and used as the application's role."""

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings
from django.db import connections

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in the thread


def _owner_credentials() -> dict[str, str]:
    parts = urlsplit(settings.DATABASE_OWNER_URL)
    return {"USER": unquote(parts.username or ""), "PASSWORD": unquote(parts.password or "")}


def _grant_to_application(owner_connection: Any, role: str) -> None:
    with owner_connection.cursor() as cursor:
        for grant in (
            "SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES",  # TRUNCATE: flush only
            "USAGE, SELECT, UPDATE ON ALL SEQUENCES",
        ):
            cursor.execute(f'GRANT {grant} IN SCHEMA public TO "{role}"')


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_use_migrations: bool,
    django_db_keepdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """Create and migrate the test database as the owner, then connect as the application."""
    from django.test.utils import setup_databases, teardown_databases

    connection = connections["default"]
    application = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    owner = _owner_credentials()
    with django_db_blocker.unblock():
        connection.settings_dict.update(owner)
        databases = setup_databases(
            verbosity=0, interactive=False, keepdb=django_db_keepdb, serialized_aliases=[]
        )
        if application["USER"] and application["USER"] != owner["USER"]:
            _grant_to_application(connection, application["USER"])
        connection.close()
        getattr(connection, "close_pool", lambda: None)()
        connection.settings_dict.update(application)
    yield
    with django_db_blocker.unblock():
        connection.close()
        getattr(connection, "close_pool", lambda: None)()
        connection.settings_dict.update(owner)
        teardown_databases(databases, verbosity=0)


@pytest.fixture
def make_tenant(db: None) -> Callable[..., Any]:
    from tests.factories import make_tenant as make

    return make


@pytest.fixture
def tenant(db: None) -> Iterator[Any]:
    """A tenant with a legal entity, bound for the whole test."""
    from monetization.tenancy.context import tenant_context
    from tests.factories import make_tenant as make

    created = make("Northwind Software")
    with tenant_context(created.id, actor="test"):
        yield created
