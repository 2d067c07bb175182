"""``python3 manage.py test``: a Postgres if none is given, then pytest."""

import os
import subprocess
import sys
from pathlib import Path

from monetization.embedded.bootstrap import working_dir


def run(root: Path, arguments: list[str]) -> int:
    """Run the test suite and return pytest's exit code.

    :param arguments: handed to pytest; two processes unless ``-n`` says otherwise.
    """
    environment = {"SECRET_KEY": "test-only", "DEBUG": "0", **os.environ}
    server = None
    if not environment.get("DATABASE_URL"):
        from monetization.embedded.postgres import EmbeddedPostgres

        server = EmbeddedPostgres(working_dir(root) / "var" / "test")
        application, owner = server.urls()
        environment |= {"DATABASE_URL": application, "DATABASE_OWNER_URL": owner}
    options = [] if any(option.startswith("-n") for option in arguments) else ["-n", "2"]
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    try:
        return subprocess.run(command, cwd=root, env=environment).returncode
    finally:
        if server is not None:
            server.stop()
