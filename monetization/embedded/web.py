"""The web server's command: one for the demo, the benchmarks and the tests that kill it."""

import sys
from pathlib import Path

CONFIGURATION = Path(__file__).parents[1] / "config" / "gunicorn_conf.py"


def web_command(port: int, workers: int = 2) -> list[str]:
    """Return the command that serves on `port` of this machine."""
    return [
        sys.executable, "-W", "ignore", "-m", "gunicorn", "--config", str(CONFIGURATION),
        "--bind", f"127.0.0.1:{port}", "--workers", str(workers),
    ]  # fmt: skip
