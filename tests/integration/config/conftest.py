"""Books that are committed once, and a way to corrupt them that only an owner has."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from monetization.tenancy.context import tenant_context
from tests.conftest import _owner_credentials


def _connect_as(role: dict[str, str]) -> None:
    connection.close()
    getattr(connection, "close_pool", lambda: None)()
    connection.settings_dict.update(role)


@pytest.fixture(scope="module")
def books(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """Committed books; for the length of a module the connection is the owner's."""
    from django.core.management import call_command

    from tests.integration.config.books import make_books

    application = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    with django_db_blocker.unblock():
        _connect_as(_owner_credentials())
        tenant = make_books()
        connection.close()
    yield tenant
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)
        _connect_as(application)


@pytest.fixture
def plant(books: Any, db: None) -> Callable[[Any], None]:
    """Corrupt the books past every guard of the named tables; the test's rollback undoes it."""

    def run(corruption: Any) -> None:
        with tenant_context(books.id), connection.cursor() as cursor:
            for table in corruption.tables:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for constraint in corruption.constraints:
                table, _, name = constraint.partition(".")
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            cursor.execute(corruption.sql)
            assert cursor.rowcount, "nothing was planted"

    return run
