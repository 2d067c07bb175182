"""The two roles and the database, made or mended. Safe to run at every start.

The owner migrates; the application's role can neither alter tables nor lift row-level
security. Neither is a superuser.

``python -m monetization.embedded.provision`` does it on any server: ``ADMIN_DATABASE_URL`` says
how to get in, ``DATABASE_URL`` and ``DATABASE_OWNER_URL`` what is to be made.
"""

import os
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

OWNER, APPLICATION = "monetization_owner", "monetization_app"


def provision(
    admin_dsn: str,
    *,
    database: str,
    host: str,
    port: int | None,
    password: str,
    owner_password: str | None = None,
) -> tuple[str, str]:
    """Make the roles and the database; return (application URL, owner URL).

    :param admin_dsn: connects as a role that may create roles and databases.
    :param host: where the URLs point: a host name or the folder of a Unix socket.
    :param password: of both roles, unless the owner has its own.
    """
    passwords = {OWNER: owner_password or password, APPLICATION: password}
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        for role, may_create in ((OWNER, "CREATEDB"), (APPLICATION, "NOCREATEDB")):
            exists = connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", [role]
            ).fetchone()
            connection.execute(
                sql.SQL(
                    "{verb} ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS {may_create}"
                    " PASSWORD {password}"
                ).format(
                    verb=sql.SQL("ALTER" if exists else "CREATE"),
                    role=sql.Identifier(role),
                    may_create=sql.SQL(may_create),
                    password=sql.Literal(passwords[role]),
                )
            )
        known = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [database]
        ).fetchone()
        if not known:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(database), sql.Identifier(OWNER)
                )
            )
    with psycopg.connect(admin_dsn, dbname=database, autocommit=True) as connection:
        for kind, rights in (
            ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
            ("SEQUENCES", "USAGE, SELECT, UPDATE"),
        ):
            connection.execute(
                sql.SQL(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
                    f" GRANT {rights} ON {kind} TO {{app}}"
                ).format(owner=sql.Identifier(OWNER), app=sql.Identifier(APPLICATION))
            )
    place = f"{quote(host, safe='')}:{port}" if port else quote(host, safe="")
    urls = [
        f"postgres://{role}:{quote(passwords[role], safe='')}@{place}/{database}"
        for role in (APPLICATION, OWNER)
    ]
    return urls[0], urls[1]


def _main() -> None:
    application, owner = (urlsplit(_given(n)) for n in ("DATABASE_URL", "DATABASE_OWNER_URL"))
    for parts, role, name in (
        (application, APPLICATION, "DATABASE_URL"),
        (owner, OWNER, "DATABASE_OWNER_URL"),
    ):
        if parts.username != role or not parts.password:
            raise SystemExit(f"{name}: must name {role} and its password")
    provision(
        _given("ADMIN_DATABASE_URL"),
        database=application.path.lstrip("/"),
        host=unquote(application.hostname or ""),
        port=application.port,
        password=unquote(application.password or ""),
        owner_password=unquote(owner.password or ""),
    )


def _given(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name}: must be set")
    return value


if __name__ == "__main__":
    _main()
