"""A release is rolled out while the one before still works, and its migration is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice, TaxRate
from billing.services import taxing
from billing.services.drafts import create_one_off
from billing.services.invoicing import issue_invoice
from monetization.tenancy.models import LegalEntity
from tests.factories_billing import make_customer

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
# What the first installations have; later migrations run while workers of the release before do.
RELEASED = {"billing": "0019_credits", "integrations": "0002_dropbox_sign"}
KILLS = 6
SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**9)))

# All that the schema consists of, as text.
SCHEMA = """
SELECT 'column', table_name, column_name, data_type || is_nullable || COALESCE(column_default, '')
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes
 WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'policy', tablename, policyname, COALESCE(qual, '') || COALESCE(with_check, '')
  FROM pg_policies WHERE schemaname = 'public'
 ORDER BY 1, 2, 3, 4
"""


def later_operations() -> Iterator[tuple[str, Any]]:
    """Yield the operations of every migration after what is released."""
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in RELEASED and name > RELEASED[app]:
            made = {
                str(getattr(each, "name", "")).lower()
                for each in migration.operations
                if type(each).__name__ == "CreateModel"
            }
            for each in migration.operations:
                if str(getattr(each, "model_name", "")).lower() not in made:
                    yield f"{app}.{name}", each


def test_a_migration_takes_nothing_away_and_asks_nothing_new_of_old_workers() -> None:
    for name, operation in later_operations():
        kind = type(operation).__name__
        assert kind not in ("RemoveField", "RenameField", "DeleteModel", "RenameModel"), (
            f"{name} takes away what workers of the release before still use: stop using it in one"
            " release, remove it in the next"
        )
        if kind == "AddField":
            field = operation.field
            has_default = getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
            assert field.null or has_default, (
                f"{name}: {operation.model_name}.{operation.name} needs db_default or null=True:"
                " workers of the release before insert rows without it"
            )


@pytest.mark.django_db
def test_a_worker_of_the_release_before_writes_beside_the_new_schema(tenant: Any) -> None:
    """The models as they were at the release write rows; ours read, tax and issue them."""
    old = MigrationLoader(connection).project_state(list(RELEASED.items())).apps
    customer, entity = make_customer(country="DE"), LegalEntity.objects.get(is_default=True)
    taxing.set_tax_rate(
        legal_entity_id=entity.id, category="standard", country="", treatment="taxable",
        name="VAT", percent=Decimal(5), now=NOW, valid_from=date(2026, 1, 1),
    )  # fmt: skip
    old.get_model("billing", "TaxRate").objects.create(
        legal_entity_id=entity.id, country="DE", category="standard", name="VAT", percent=19
    )
    old.get_model("billing", "TaxSetting").objects.create(legal_entity_id=entity.id)
    by_old = old.get_model("billing", "Invoice").objects.create(
        customer_id=customer.id, legal_entity_id=entity.id, status="draft", currency="USD",
        bill_on=date(2026, 3, 1), period_start=date(2026, 3, 1), period_end=date(2026, 3, 2),
    )  # fmt: skip
    assert Invoice.objects.get(id=by_old.id).supplements_id is None
    assert TaxRate.objects.get(country="DE").valid_from is None
    draft = create_one_off(
        customer_id=customer.id, bill_on=date(2026, 3, 1), now=NOW,
        entries=[ManualEntry("Help", amount=Decimal(100))],
    )  # fmt: skip
    issued = issue_invoice(invoice_id=draft.id, issued_on=date(2026, 3, 3), now=NOW)
    assert issued.tax_amount == Decimal("19.00")
    seen = old.get_model("billing", "Invoice").objects.get(id=issued.id)
    seen.sent_at = NOW  # what an old worker does to an issued one
    seen.save(update_fields=["sent_at"])


def owner(name: str) -> Any:
    return psycopg.connect(settings.DATABASE_OWNER_URL.rpartition("/")[0] + f"/{name}")


def schema(name: str) -> list[Any]:
    with owner(name) as wire:
        return wire.execute(SCHEMA).fetchall()


@pytest.fixture
def database(transactional_db: None) -> Iterator[str]:
    """A database of its own with today's schema."""
    name = f"deploy_{uuid4().hex[:8]}"
    known = connection.settings_dict["NAME"]
    connection.close()
    getattr(connection, "close_pool", lambda: None)()
    with owner("postgres") as wire:
        wire.autocommit = True
        wire.execute(f'CREATE DATABASE "{name}" TEMPLATE "{known}"')
        yield name
        wire.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def migrating(name: str, *arguments: str) -> "subprocess.Popen[bytes]":
    address = settings.DATABASE_OWNER_URL.rpartition("/")[0] + f"/{name}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "migrate", "-v", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address, "DATABASE_OWNER_URL": address},
    )


@pytest.mark.slow
def test_a_migration_that_is_killed_is_run_again_and_ends_where_it_should(database: str) -> None:
    print(f"FAULT_SEED={SEED}")  # noqa: T201 - the run can be had again
    points = random.Random(SEED)  # noqa: S311 - when to kill is no secret
    wanted = schema(database)
    for app in ("integrations", "billing"):
        assert migrating(database, app, RELEASED[app]).wait(300) == 0
    before = schema(database)
    assert before != wanted
    killed = 0
    for _ in range(KILLS):
        process = migrating(database)
        with owner("postgres") as wire:
            wire.autocommit = True
            while (
                process.poll() is None
                and not wire.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state <> 'idle'"
                    " AND query NOT ILIKE 'select%%'",
                    [database],
                ).fetchone()
            ):
                time.sleep(0.002)
        time.sleep(points.uniform(0, 0.3))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    print(f"killed {killed} times")  # noqa: T201
    assert killed
    assert migrating(database).wait(300) == 0
    assert schema(database) == wanted
