"""Run Throughline: ``python3 manage.py demo`` and ``python3 manage.py test`` on a bare machine.

Standard library until ``.venv`` exists. ``demo``, ``test`` and, on a machine without settings,
every other command build it from the hashed lock first and bring what they need
(``monetization/embedded/commands.py``). MONETIZATION_NO_BOOTSTRAP=1 skips all of it.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    sys.path.insert(0, str(ROOT))
    from monetization.embedded import bootstrap, commands

    if os.environ.get("MONETIZATION_NO_BOOTSTRAP") != "1":
        bare = command in ("demo", "test") or not commands.has_settings()
        bootstrap.enter_environment(ROOT, install=bare)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")
    if command == "test":
        from monetization.embedded import testing

        sys.exit(testing.run(ROOT, sys.argv[2:]))
    if command == "demo":
        from monetization.embedded import demo

        sys.exit(demo.run(ROOT, sys.argv[2:]))
    with commands.surroundings(ROOT, command):
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
