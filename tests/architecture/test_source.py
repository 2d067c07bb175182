"""The code keeps its own rules; each check is seen to find a planted violation."""

from pathlib import Path

from tests.architecture import checks
from tests.architecture.checks import ROOT


def plant(root: Path, place: str, text: str) -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


class TestSizes:
    def test_modules_and_functions_stay_short(self) -> None:
        assert checks.oversized(ROOT) == []

    def test_long_ones_are_found_and_migrations_are_not(self, tmp_path: Path) -> None:
        long_function = "def f():\n" + "    x = 1\n" * 60
        plant(tmp_path, "billing/services/long.py", "x = 1\n" * 501)
        plant(tmp_path, "billing/services/deep.py", long_function)
        plant(tmp_path, "billing/services/full.py", "x = 1\n" * 500)
        plant(tmp_path, "billing/migrations/0001.py", "x = 1\n" * 999)

        assert checks.oversized(tmp_path) == [
            "billing/services/deep.py:1: f has 61 lines",
            "billing/services/long.py: 501 lines",
        ]


class TestFloats:
    def test_the_functional_core_has_none(self) -> None:
        assert len(list(checks.pure_modules(ROOT))) > 20
        assert checks.floats(ROOT) == []

    def test_every_way_to_write_one_is_found(self, tmp_path: Path) -> None:
        plant(
            tmp_path,
            "billing/domain/tax.py",
            "import math\nfrom math import floor\nRATE = 0.2\nx = float('1')\nd.total_seconds()\n",
        )
        plant(tmp_path, "monetization/ledger/accounts.py", "HALF = 1e-2\n")
        plant(tmp_path, "billing/services/clock.py", "WAIT = 0.5\n")  # not the core

        assert checks.floats(tmp_path) == [
            "monetization/ledger/accounts.py:1: the literal 0.01",
            "billing/domain/tax.py:1: import math",
            "billing/domain/tax.py:2: import math",
            "billing/domain/tax.py:3: the literal 0.2",
            "billing/domain/tax.py:4: float",
            "billing/domain/tax.py:5: seconds as a float",
        ]


class TestRegistryAddresses:
    def test_no_committed_file_names_a_package_registry(self) -> None:
        assert len(checks.tracked_files(ROOT)) > 200
        assert checks.registry_addresses(ROOT) == []

    def test_one_in_any_file_is_found(self, tmp_path: Path) -> None:
        host = checks.HOSTS[0]
        plant(tmp_path, "docs/install.md", f"pip install -i https://{host}/simple x\n")
        plant(tmp_path, "package-lock.json", '{\n  "res' + 'olved": "x"\n}\n')
        plant(tmp_path, "pip.conf", "[global]\nindex" + "-url = https://example.com\n")
        plant(tmp_path, "README.md", "This was resolved: nothing to see.\n")

        assert [line.split(":")[0] for line in checks.registry_addresses(tmp_path)] == [
            "docs/install.md",
            "package-lock.json",
            "pip.conf",
        ]


class TestLocks:
    def test_both_say_the_same_of_what_is_in_both(self) -> None:
        first, second = (
            dict(line.split(" ")[0].split("==") for line in path.read_text().splitlines()
                 if line[0].isalnum() and " ;" not in line)
            for path in (ROOT / "requirements.lock", ROOT / "requirements-clickhouse.lock")
        )  # fmt: skip

        shared = first.keys() & second.keys()
        assert {"pyarrow", "six"} <= shared
        assert [name for name in shared if first[name] != second[name]] == []
        assert "chdb" in second
        assert "chdb" not in first


class TestDocs:
    def test_every_link_leads_somewhere(self) -> None:
        assert checks.broken_links(ROOT) == []

    def test_the_readme_lists_every_page(self) -> None:
        assert checks.unlisted_pages(ROOT) == []

    def test_a_missing_or_an_unlisted_page_is_found(self, tmp_path: Path) -> None:
        plant(tmp_path, "README.md", "[a](docs/a.md) [gone](docs/gone.md) [x](https://x.example)")
        plant(tmp_path, "docs/a.md", "[up](../README.md#map) [no](b/none.md)")
        plant(tmp_path, "docs/lost.md", "")

        assert checks.broken_links(tmp_path) == ["README.md: docs/gone.md", "docs/a.md: b/none.md"]
        assert checks.unlisted_pages(tmp_path) == ["docs/lost.md"]
