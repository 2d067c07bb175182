"""The API's documentation names everything a client can meet."""

from pathlib import Path

import yaml
from django.conf import settings
from django.core.management import call_command

from monetization.kernel.errors import Refusal

APPS = ("monetization", "metering", "quotes", "crm", "billing", "alerts", "revrec", "integrations")


def refusals(base: type[Refusal] = Refusal) -> set[type[Refusal]]:
    found = set(base.__subclasses__())
    return found | {deeper for kind in found for deeper in refusals(kind)}


def test_every_refusal_has_its_code_in_the_docs() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    codes = {
        Refusal.code.fget(kind.__new__(kind))  # type: ignore[attr-defined]
        for kind in refusals()
        if kind.__module__.partition(".")[0] in APPS and ".web." not in kind.__module__
    }

    missing = {code for code in codes if f"| `{code}` |" not in text}
    assert not missing, f"add to the table of codes in docs/api.md: {sorted(missing)}"


def test_the_schema_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "schema.yaml"

    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))

    schema = yaml.safe_load(file.read_text())
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) > 80
    assert all("422" in operation["responses"] for operation in operations)
    lines = [(operation["tags"][0], operation["summary"]) for operation in operations]
    assert len(lines) == len(set(lines)), "two operations of a resource say the same"
    assert all(3 < len(line) < 90 and line[0].isupper() for _, line in lines)
