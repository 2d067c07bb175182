"""Other commands on a machine that has no settings: they work on the demo's database.

``verify``, ``import_usage`` or ``bench`` typed beside a running demo, or without one, find its
secrets and its Postgres, which is started for them if it does not run. Where ``SECRET_KEY``,
``DEBUG`` or ``DATABASE_URL`` is set, nothing of this happens.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SETTINGS = ("SECRET_KEY", "DEBUG", "DATABASE_URL", "MONETIZATION_NO_BOOTSTRAP")
WITHOUT_DATABASE = ("help", "--help", "-h", "--version", "conformance")


def has_settings() -> bool:
    """Return whether somebody said how to run."""
    return any(os.environ.get(name) for name in SETTINGS)


@contextmanager
def surroundings(root: Path, command: str) -> Iterator[None]:
    """Provide the settings that are missing, and a database if the command needs one."""
    if has_settings():
        yield
        return
    with ExitStack() as stack:
        if command in WITHOUT_DATABASE:
            os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
        else:
            os.environ.update(_embedded(root, command, stack))
        yield


def _embedded(root: Path, command: str, stack: ExitStack) -> dict[str, str]:
    from monetization.embedded import demo
    from monetization.embedded.postgres import EmbeddedPostgres

    var = demo.data_folder(root)
    environment = demo.kept_secrets(var) | {"VAR_DIR": str(var), "MONETIZATION_DEMO": "1"}
    server = EmbeddedPostgres(var)
    stack.callback(server.stop)  # a demo that runs beside us keeps it
    # Benchmarks make companies of their own; they are no part of anybody's books.
    application, owner = server.urls("bench" if command == "bench" else "monetization")
    environment |= {"DATABASE_URL": application, "DATABASE_OWNER_URL": owner}
    if command != "migrate":
        demo.bring_up_to_date(root, {**os.environ, **environment})
    return environment
