"""What the database already holds, written on the database itself, so that a start is quick."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import psycopg
from psycopg import sql


def fingerprint(root: Path) -> str:
    """Return a hash of every migration: ours, and by the lock those of others."""
    digest = hashlib.sha256()
    files = [root / "requirements.lock", *_migrations(root)]
    for file in files:
        digest.update(str(file.relative_to(root)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _migrations(root: Path) -> Iterable[Path]:
    ours = (
        "monetization",
        "metering",
        "quotes",
        "crm",
        "billing",
        "alerts",
        "revrec",
        "integrations",
    )
    return sorted(
        file for app in ours for file in (root / app).rglob("migrations/*.py") if file.is_file()
    )


def marks(owner_url: str) -> dict[str, str]:
    """Return what earlier starts wrote on the database; nothing where it has no tables."""
    with psycopg.connect(owner_url) as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database'), to_regclass('django_migrations')"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    if row is None or not row[0] or row[1] is None:
        return {}
    try:
        found = json.loads(row[0])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def mark(owner_url: str, **values: str) -> None:
    """Write marks on the database, beside those that are there."""
    text = json.dumps({**marks(owner_url), **values}, sort_keys=True)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
        )
