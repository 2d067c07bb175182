"""The two roles and the database, made or mended. Safe to run at every start.

The owner migrates; the application's role can neither alter tables nor lift row-level
security. Neither is a superuser.
"""

from urllib.parse import quote

import psycopg
from psycopg import sql

OWNER, APPLICATION = "monetization_owner", "monetization_app"


def provision(
    admin_dsn: str, *, database: str, host: str, port: int | None, password: str
) -> tuple[str, str]:
    """Make the roles and the database; return (application URL, owner URL).

    :param admin_dsn: connects as a role that may create roles and databases.
    :param host: where the URLs point: a host name or the folder of a Unix socket.
    :param password: of both roles.
    """
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
                    password=sql.Literal(password),
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
        f"postgres://{role}:{quote(password)}@{place}/{database}" for role in (APPLICATION, OWNER)
    ]
    return urls[0], urls[1]
