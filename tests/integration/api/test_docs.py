"""The API's documentation names everything a client can meet."""

from pathlib import Path

from django.conf import settings

from monetization.kernel.errors import Refusal

APPS = ("monetization", "metering", "quotes", "billing", "revrec", "integrations")


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
