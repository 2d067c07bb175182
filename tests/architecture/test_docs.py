"""What docs/architecture.md says of the tree is so."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("monetization", "metering", "quotes", "crm", "billing", "alerts", "revrec", "integrations")


def named_paths() -> list[Path]:
    text = (ROOT / "docs" / "architecture.md").read_text()
    tree = text[text.index("## 2. The tree") :].split("```")[1]
    found: list[Path] = []
    above: list[str] = []
    for line in tree.splitlines():
        match = re.match(r"( *)([\w./-]+)", line)
        if match is None:
            continue
        depth = len(match[1]) // 2
        above = [*above[:depth], match[2]]
        found.append(ROOT.joinpath(*above))
    return found


def test_every_path_of_the_tree_exists() -> None:
    assert [str(path.relative_to(ROOT)) for path in named_paths() if not path.exists()] == []


def test_the_tree_names_every_app_and_every_package_of_the_platform() -> None:
    packages = {path.parent for app in APPS for path in (ROOT / app).glob("*/__init__.py")} | {
        path.parent for app in APPS for path in (ROOT / app).glob("__init__.py")
    }
    ordinary = {"migrations", "management", "api", "web", "templatetags", "selectors", "tests"}
    missing = {path for path in packages if path.name not in ordinary} - set(named_paths())
    assert sorted(str(path.relative_to(ROOT)) for path in missing) == []


def test_readme_lists_every_page_of_the_docs() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
    assert [page for page in pages if f"({page})" not in readme] == []
