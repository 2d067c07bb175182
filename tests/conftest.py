"""The test database is migrated by its owner and used as the application's role."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings
from django.db import connections
from django.test import TransactionTestCase

from tests import quick_pdf

ROOT = Path(__file__).parent.parent
KEPT_DATABASES = 8  # migrated ones of other states of the migrations
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in the thread


def pytest_configure() -> None:
    # The real one takes a sixth of a second for each member of each test.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    TransactionTestCase._fixture_teardown = _empty_what_was_filled  # type: ignore[attr-defined]
    quick_pdf.install()
    _find_static_files_once()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    quick_pdf.choose(item)


def _find_static_files_once() -> None:
    """Give every client of a test the static files the first one found: 20 ms each otherwise."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    look = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def add(middleware: Any) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = add


def _empty_what_was_filled(case: Any) -> None:
    """Truncate the tables with rows, not all of them: Django's flush takes a second each time."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0"
            " AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')"
        )
        filled = ", ".join(name for (name,) in cursor.fetchall())
        if filled:
            cursor.execute(f"TRUNCATE {filled} CASCADE")


def _owner_credentials() -> dict[str, str]:
    parts = urlsplit(settings.DATABASE_OWNER_URL)
    return {"USER": unquote(parts.username or ""), "PASSWORD": unquote(parts.password or "")}


def _grant_to_application(owner_connection: Any, role: str) -> None:
    with owner_connection.cursor() as cursor:
        for grant in (
            "SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES",  # TRUNCATE: between tests
            "USAGE, SELECT, UPDATE ON ALL SEQUENCES",
        ):
            cursor.execute(f'GRANT {grant} IN SCHEMA public TO "{role}"')


def _close(connection: Any) -> None:
    connection.close()
    getattr(connection, "close_pool", lambda: None)()


def _migrated(connection: Any, role: str) -> str:
    """Return a database with every migration applied; the first to ask for it makes it.

    It is named after the migrations, so the next run, and the other process of this one, copy
    it in a second instead of migrating again.
    """
    digest = hashlib.sha256(role.encode())
    for file in [*sorted(ROOT.glob("**/migrations/*.py")), ROOT / "requirements.lock"]:
        if ".venv" not in file.parts:
            digest.update(file.read_bytes())
    name = f"migrated_{digest.hexdigest()[:16]}"
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(20260101)")
        cursor.execute("SELECT datname FROM pg_database WHERE datname ~ '^migrated_' ORDER BY oid")
        there = [found for (found,) in cursor.fetchall()]
        if name in there:
            return name
        for old in there[:-KEPT_DATABASES]:
            cursor.execute(f"DROP DATABASE IF EXISTS {old}")
        cursor.execute("DROP DATABASE IF EXISTS unfinished_migrated")
        used = connection.settings_dict["NAME"]
        connection.settings_dict["TEST"]["NAME"] = "unfinished_migrated"
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        _grant_to_application(connection, role)
        _close(connection)
        connection.settings_dict["NAME"] = used
        cursor.execute(f"ALTER DATABASE unfinished_migrated RENAME TO {name}")
    return name


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_use_migrations: bool,
    django_db_keepdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """Create the test database as its owner from a migrated one; connect as the application."""
    from django.test.utils import setup_databases, teardown_databases

    connection = connections["default"]
    application = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    test = connection.settings_dict["TEST"]
    with django_db_blocker.unblock():
        connection.settings_dict.update(_owner_credentials())
        name = test["NAME"]
        template = _migrated(connection, application["USER"])
        test.update({"NAME": name, "TEMPLATE": template})
        databases = setup_databases(
            verbosity=0, interactive=False, keepdb=django_db_keepdb, serialized_aliases=[]
        )
        _grant_to_application(connection, application["USER"])
        _close(connection)
        connection.settings_dict.update(application)
    yield
    with django_db_blocker.unblock():
        _close(connection)
        connection.settings_dict.update(_owner_credentials())
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
