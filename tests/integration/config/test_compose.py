"""The compose file, checked without Docker: it parses, refers to what exists, holds no secret."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).parents[3]
SECRET = re.compile(r"PASSWORD|SECRET|SALT")
COMPOSE_ONLY = {"ADMIN_DATABASE_URL", "POSTGRES_PASSWORD"}


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def services(compose: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def test_every_service_waits_for_services_that_exist(compose: Any) -> None:
    known = services(compose)

    for name, service in known.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in known, f"{name} waits for {needed}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in known[needed]
            else:
                assert known[needed]["restart"] == "no", f"{needed} has to end"


def test_every_volume_is_declared(compose: Any) -> None:
    used = {
        volume.partition(":")[0]
        for service in services(compose).values()
        for volume in service.get("volumes", [])
    }

    assert used == set(compose["volumes"])


def test_every_variable_is_one_the_settings_read(compose: Any) -> None:
    read = set(
        re.findall(
            r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "monetization/config/settings.py").read_text()
        )
    )

    ours = {name: one for name, one in services(compose).items() if "build" in one}
    for name, service in ours.items():
        unknown = set(service.get("environment", {})) - read - COMPOSE_ONLY
        assert not unknown, f"{name} sets {unknown}, which nobody reads"


def test_no_secret_is_written_down_and_none_has_a_default(compose: Any) -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    for variable in re.findall(r"\$\{([^}]*)\}", text):
        if SECRET.search(variable.partition(":")[0]):
            assert ":?" in variable, f"{variable} must be refused when it is missing"
    for service in services(compose).values():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key):
                assert str(value).startswith("${"), key
    for password in re.findall(r"://\w+:([^@\s]*)@", text):
        assert password.startswith("${"), "an address carries a password"


def test_every_command_is_one_we_have(compose: Any) -> None:
    for service in services(compose).values():
        command = service.get("command", [])
        if command[:2] == ["python", "manage.py"]:
            assert command[2] in get_commands()
        if command[:1] == ["celery"]:
            assert command[command.index("-A") + 1] == "monetization.config"


def test_only_the_migration_connects_as_the_owner(compose: Any) -> None:
    owners = {
        name
        for name, service in services(compose).items()
        if "monetization_owner" in str(service.get("environment", {}).get("DATABASE_URL"))
    }

    assert owners == {"migrate"}


def test_the_image_copies_files_that_exist_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
    assert "USER throughline" in lines


def test_provisioning_refuses_addresses_that_name_another_role() -> None:
    done = _provision(
        DATABASE_URL="postgres://postgres:x@127.0.0.1/x",
        DATABASE_OWNER_URL="postgres://monetization_owner:x@127.0.0.1/x",
        ADMIN_DATABASE_URL="postgres://postgres@127.0.0.1/postgres",
    )

    assert done.returncode == 1
    assert "DATABASE_URL: must name monetization_app and its password" in done.stderr


def test_provisioning_names_the_address_that_is_missing() -> None:
    done = _provision()

    assert done.returncode == 1
    assert "DATABASE_URL: must be set" in done.stderr


def _provision(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "monetization.embedded.provision"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )
