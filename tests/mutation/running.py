"""Run the tests that touch a change, in a process of its own that was forked after collecting.

Tests are collected once and run once, to learn which lines each of them runs and how long it
takes. A change is then tried by the tests of its line alone, the quick ones first, until one
fails. Changes are made in memory: functions get the code of the changed source.
"""

import ast
import functools
import gc
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.changes import ROOT, Site, parsed

EXAMPLES = 40  # at most, of a property; the same ones for every change
CPU_SECONDS = 20  # a change that never ends is noticed too
MEMORY = 4 << 30  # bytes

Work = Callable[["Tests"], None]


class Tests:
    """The collected tests, by the lines of the modules they run; a plugin of pytest."""

    def __init__(self, modules: Iterable[str], work: Work) -> None:
        self.files = {str(ROOT / module): module for module in modules}
        self.work = work
        self.seconds: dict[pytest.Item, float] = {}
        self.by_line: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
        self.functions: dict[str, list[FunctionType]] = defaultdict(list)
        self.caches: list[Callable[[], object]] = []
        self.failed: list[str] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for item in session.items:
            _make_quick(item)
        for known in gc.get_objects():
            self._find(known)
        for item, following in _with_next(session.items):
            self._learn(item, following)
        if not self.failed:
            gc.collect()
            gc.freeze()
            self.work(self)
        return True

    def _find(self, known: object) -> None:
        """Note a function of the modules, or a cache: what it holds was computed by other code."""
        if isinstance(known, FunctionType):
            if known.__code__.co_filename in self.files:
                self.functions[self.files[known.__code__.co_filename]].append(known)
            if known.__qualname__.startswith("by_identity.<locals>."):
                held = [cell.cell_contents for cell in known.__closure__ or ()]
                self.caches.extend(cell.clear for cell in held if isinstance(cell, dict))
        elif isinstance(known, functools._lru_cache_wrapper) and _is_ours(known):
            self.caches.append(known.cache_clear)

    def forget(self) -> None:
        for clear in self.caches:
            clear()

    def _learn(self, item: pytest.Item, following: pytest.Item | None) -> None:
        """Run a test as it is, and note the lines it runs."""
        lines: set[tuple[str, int]] = set()

        def local(frame: FrameType, event: str, arg: Any) -> Any:
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            return local

        def called(frame: FrameType, event: str, arg: Any) -> Any:
            return local if frame.f_code.co_filename in self.files else None

        self.forget()
        began = time.process_time()
        sys.settrace(called)
        try:
            passed = _passes(item, following)
        finally:
            sys.settrace(None)
        self.seconds[item] = time.process_time() - began
        for name, line in lines:
            self.by_line[self.files[name], line].append(item)
        if not passed:
            self.failed.append(item.nodeid)

    def of(self, site: Site) -> list[pytest.Item]:
        """Return the tests that run the statement of a change, the quick ones first."""
        found = {item for line in site.lines for item in self.by_line[site.module, line]}
        return sorted(found, key=lambda item: (self.seconds[item], item.nodeid))

    def notice(self, site: Site, tree: ast.Module) -> bool:
        """Say whether a test fails once the functions of a module run the changed source."""
        chosen = self.of(site)
        if not chosen:
            return False
        child = os.fork()
        if not child:
            status = 1
            try:
                self._limit()
                self._replace_code(site.module, tree)
                self.forget()
                status = int(not all(_passes(*pair) for pair in _with_next(chosen)))
            finally:
                os._exit(status)
        _, result = os.waitpid(child, 0)
        return result != 0

    def _limit(self) -> None:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS + 3 * sum(self.seconds.values()))

    def _replace_code(self, module: str, tree: ast.Module) -> None:
        """Give the functions of a module the code of another version of its source.

        They keep their identity, so whoever imported one of them runs the new code.
        """
        changed = {
            (code.co_qualname, code.co_firstlineno): code
            for code in _codes(compile(tree, str(ROOT / module), "exec"))
        }
        for known in self.functions[module]:
            code = known.__code__
            new = changed.get((code.co_qualname, code.co_firstlineno), code)
            if new.co_freevars == code.co_freevars:
                known.__code__ = new


def run(modules: Iterable[str], suites: Iterable[str], work: Work) -> list[str]:
    """Collect the suites once and hand them to the work; return the tests that fail as it is."""
    settings.register_profile("mutation", database=None)
    tests = Tests(modules, work)
    code = pytest.main(
        ["-q", "-s", "-p", "no:cacheprovider", "--doctest-modules", *suites], plugins=[tests]
    )
    return tests.failed if code in (0, 1, 5) else [f"pytest: {code!r}"]


def changed_tree(module: str, number: int) -> tuple[ast.Module, str]:
    """Return a module's source with one of its changes, and what it is."""
    from tests.mutation.changes import sites

    tree = parsed(module)
    said = sites(module, tree)[number].changed()
    return ast.fix_missing_locations(tree), said


def _is_ours(known: object) -> bool:
    return str(getattr(known, "__module__", "")).startswith("monetization.")


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _with_next(items: list[pytest.Item]) -> list[tuple[pytest.Item, pytest.Item | None]]:
    return list(zip(items, [*items[1:], None], strict=True))


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    reports = runtestprotocol(item, log=False, nextitem=following)
    return not any(report.failed for report in reports)


def _make_quick(item: pytest.Item) -> None:
    """Let a property try the same few examples every time, and not look for smaller ones."""
    function = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
    chosen = getattr(function, "_hypothesis_internal_use_settings", None)
    if function is not None and chosen is not None:
        function._hypothesis_internal_use_settings = settings(
            chosen,
            max_examples=min(chosen.max_examples, EXAMPLES),
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
            deadline=None,
        )
