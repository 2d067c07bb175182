"""``python3 manage.py test``: the front end, a Postgres if none is given, then pytest."""

import os
import subprocess
import sys
from pathlib import Path

from monetization.embedded import assets
from monetization.embedded.bootstrap import only_one, working_dir


def run(root: Path, arguments: list[str]) -> int:
    """Run the test suite and return pytest's exit code.

    :param arguments: handed to pytest; two processes unless ``-n`` says otherwise, and without
        the long runs unless ``-m`` does.
    """
    assets.build(root, working_dir(root))
    environment = {"SECRET_KEY": "test-only", "DEBUG": "0", **os.environ}
    if environment.get("DATABASE_URL"):
        return _pytest(root, arguments, environment)
    from monetization.embedded.postgres import EmbeddedPostgres

    var = working_dir(root) / "var" / "test"
    with only_one(var / "test.lock", "a test run"):
        server = EmbeddedPostgres(var)
        try:
            server.trust_the_machine()
            application, owner = server.urls()
            environment |= {"DATABASE_URL": application, "DATABASE_OWNER_URL": owner}
            return _pytest(root, arguments, environment)
        finally:
            server.stop()


def _pytest(root: Path, arguments: list[str], environment: dict[str, str]) -> int:
    options = [] if any(option.startswith("-n") for option in arguments) else ["-n", "2"]
    if not any(option.startswith("-m") for option in arguments):
        options += ["-m", "not slow"]
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    return subprocess.run(command, cwd=root, env=environment).returncode
