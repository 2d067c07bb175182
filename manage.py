"""Run Throughline: ``python3 manage.py demo`` and ``python3 manage.py test`` on a bare machine.

Standard library until ``.venv`` exists. ``demo`` and ``test`` build it from the hashed lock
first; every other command only steps into it. MONETIZATION_NO_BOOTSTRAP=1 skips both.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    sys.path.insert(0, str(ROOT))
    from monetization.embedded import bootstrap

    if os.environ.get("MONETIZATION_NO_BOOTSTRAP") != "1":
        bootstrap.enter_environment(ROOT, install=command in ("demo", "test"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")
    if command == "test":
        from monetization.embedded import testing

        sys.exit(testing.run(ROOT, sys.argv[2:]))
    if command == "demo":
        from monetization.embedded import demo

        sys.exit(demo.run(ROOT, sys.argv[2:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
