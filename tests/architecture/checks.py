"""Read the code and say where it breaks a rule of the house. Every check takes a root folder."""

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "monetization",
    "quotes",
    "crm",
    "metering",
    "billing",
    "alerts",
    "revrec",
    "integrations",
)
MAX_MODULE, MAX_FUNCTION = 500, 60
PURE = ("monetization/kernel", "monetization/pricing", "monetization/ledger/accounts.py")


def own_modules(root: Path) -> Iterator[Path]:
    """Yield our Python outside migrations and tests."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path
    yield from sorted(root.glob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def oversized(root: Path) -> list[str]:
    """Find modules and functions that are too long to be read in one go."""
    found = []
    for path in own_modules(root):
        lines = len(path.read_text().splitlines())
        if lines > MAX_MODULE:
            found.append(f"{path.relative_to(root)}: {lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                height = (node.end_lineno or 0) - node.lineno + 1
                if height > MAX_FUNCTION:
                    place = f"{path.relative_to(root)}:{node.lineno}"
                    found.append(f"{place}: {node.name} has {height} lines")
    return found


def pure_modules(root: Path) -> Iterator[Path]:
    for path in own_modules(root):
        place = path.relative_to(root).as_posix()
        if place.startswith(PURE) or "/domain/" in place:
            yield path


def floats(root: Path) -> list[str]:
    """Find floats in the functional core: literals, float() and the math module."""
    found = []
    for path in pure_modules(root):
        for node in ast.walk(tree_of(path)):
            problem = _float_in(node)
            if problem:
                line = getattr(node, "lineno", 0)
                found.append(f"{path.relative_to(root)}:{line}: {problem}")
    return found


def _float_in(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=float() | complex() as value):
            return f"the literal {value}"
        case ast.Name(id="float"):
            return "float"
        case ast.Import(names=names) if any(name.name == "math" for name in names):
            return "import math"
        case ast.ImportFrom(module="math"):
            return "import math"
        case ast.Attribute(attr="total_seconds" | "timestamp"):
            return "seconds as a float"
    return ""


# Written in two halves so that this file does not find itself.
HOSTS = tuple(
    left + right
    for left, right in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("yarn", "pkg.com"),
        ("proxy.", "golang.org"),
        ("crates", ".io"),
        ("conda", ".anaconda.org"),
        ("npm", "mirror.com"),
    )
)
_ADDRESS = re.compile(
    "|".join(
        (
            *map(re.escape, HOSTS),
            r"^\s*\"res" + r"olved\"\s*:",
            r"--(extra-)?index" + r"-url",
            r"^\s*index" + r"-url\s*=",
            r"^\s*regis" + r"try\s*=",
            r"\[\[tool\.uv\.in" + r"dex\]\]",
        )
    ),
    re.MULTILINE,
)


def tracked_files(root: Path) -> list[Path]:
    """Return what is committed under ``root``; everything there if it is no repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listed.returncode or not (root / ".git").exists():
        return [path for path in sorted(root.rglob("*")) if path.is_file()]
    return [root / name for name in listed.stdout.decode().split("\0") if name]


def registry_addresses(root: Path) -> list[str]:
    """Find addresses of package registries, in locks or anywhere else."""
    found = []
    for path in tracked_files(root):
        if not path.is_file():
            continue
        text = path.read_bytes().decode(errors="ignore")
        match = _ADDRESS.search(text)
        if match:
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(root)}:{line}: {match[0].strip()}")
    return found


_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def broken_links(root: Path) -> list[str]:
    """Find links in README and docs that lead nowhere."""
    found = []
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for target in _LINK.findall(page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                found.append(f"{page.relative_to(root)}: {target}")
    return found


def unlisted_pages(root: Path) -> list[str]:
    """Find pages of docs/ that the README's map does not list."""
    readme = (root / "README.md").read_text()
    pages = sorted(path.relative_to(root).as_posix() for path in (root / "docs").glob("*.md"))
    return [page for page in pages if f"({page})" not in readme]


@dataclass(frozen=True, slots=True)
class AppendedType:
    """An event type that code appends; ``pattern`` is None where it cannot be told."""

    place: str
    pattern: str | None


@dataclass(frozen=True, slots=True)
class _Announcer:
    """A function that appends an event of the type it is given."""

    name: str
    parameter: str
    position: int | None  # None: keyword-only


def appended_types(root: Path) -> list[AppendedType]:
    """Find every event type appended, also through functions that take it as an argument."""
    announcers = [_Announcer("append_event", "type", None)]
    found: list[AppendedType] = []
    done = 0
    while done < len(announcers):  # an announcer may itself be called by another
        announcer = announcers[done]
        done += 1
        for path in own_modules(root):
            for caller, call in _calls(path, announcer.name):
                value = _argument(call, announcer)
                if value is None:
                    continue
                passed_on = _parameter_of(caller, value)
                if passed_on is not None:
                    if passed_on not in announcers:
                        announcers.append(passed_on)
                    continue
                place = f"{path.relative_to(root)}:{call.lineno}"
                found += [AppendedType(place, pattern) for pattern in _patterns(value)]
    return found


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _calls(path: Path, name: str) -> Iterator[tuple[Function | None, ast.Call]]:
    def visit(node: ast.AST, inside: Function | None) -> Iterator[tuple[Function | None, ast.Call]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside = node
        if isinstance(node, ast.Call):
            called = node.func
            short = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if short == name:
                yield inside, node
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(tree_of(path), None)


def _argument(call: ast.Call, announcer: _Announcer) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == announcer.parameter:
            return keyword.value
    if announcer.position is not None and announcer.position < len(call.args):
        return call.args[announcer.position]
    return None


def _parameter_of(caller: Function | None, value: ast.expr) -> _Announcer | None:
    if caller is None or not isinstance(value, ast.Name):
        return None
    positional = [argument.arg for argument in caller.args.args]
    keyword_only = [argument.arg for argument in caller.args.kwonlyargs]
    if value.id in positional:
        return _Announcer(caller.name, value.id, positional.index(value.id))
    return _Announcer(caller.name, value.id, None) if value.id in keyword_only else None


def _patterns(value: ast.expr) -> list[str | None]:
    match value:
        case ast.Constant(value=str() as text):
            return [re.escape(text)]
        case ast.JoinedStr(values=parts):
            return [
                "".join(
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[a-z_]+"
                    for part in parts
                )
            ]
        case ast.IfExp(body=body, orelse=orelse):
            return _patterns(body) + _patterns(orelse)
    return [None]


def unregistered_types(root: Path, registered: Iterable[str]) -> list[str]:
    """Find events appended with a type nobody registered."""
    names = list(registered)
    return [
        f"{found.place}: {found.pattern or 'a type that cannot be told from the code'}"
        for found in appended_types(root)
        if found.pattern is None or not any(re.fullmatch(found.pattern, name) for name in names)
    ]


def unresolved_tasks(schedule: dict[str, dict[str, Any]]) -> list[str]:
    """Find beat entries whose task is not there under exactly that name."""
    found = []
    for entry, options in schedule.items():
        module, _, name = options["task"].rpartition(".")
        try:
            task = getattr(import_module(module), name, None)
        except ImportError:
            task = None
        if getattr(task, "name", None) != options["task"]:
            found.append(f"{entry}: {options['task']}")
    return found


def open_views(patterns: Iterable[Any], public: Iterable[str], prefix: str = "") -> list[str]:
    """Find routes whose view asks for no permission and that are not declared public.

    :param public: beginnings of routes anybody may call.
    """
    allowed = tuple(public)
    found = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if route.startswith(allowed):
            continue
        if hasattr(pattern, "url_patterns"):
            found += open_views(pattern.url_patterns, allowed, route)
        elif not _asks_for_a_permission(pattern.callback):
            found.append(route)
    return found


def _asks_for_a_permission(callback: Any) -> bool:
    if getattr(callback, "required_permission", None):
        return True
    view = getattr(callback, "cls", None)  # Django REST framework
    if view is None:
        return False
    named = getattr(view, "permission_resource", None) or getattr(view, "action_permissions", None)
    guards = {permission.__name__ for permission in getattr(view, "permission_classes", ())}
    return bool(named) and "HasPermission" in guards
