import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Run every check that needs no database, in order, and stop at the first that fails."""

    help = "Format, lint, import contracts, types, missing migrations."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--keep-going", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = []
        for command in (
            [sys.executable, "-m", "ruff", "format", "--check", "."],
            [sys.executable, "-m", "ruff", "check", "."],
            [sys.executable, "-c", "from importlinter.cli import lint_imports; lint_imports()"],
            [sys.executable, "-m", "mypy", "."],
            [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run"],
        ):
            name = " ".join(command[2:4]) if command[1] == "-m" else "lint-imports"
            self.stdout.write(f"== {name}")
            self.stdout.flush()
            if subprocess.run(command).returncode:
                failed.append(name)
                if not options["keep_going"]:
                    break
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")
