"""A real Chromium on the running application."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.signals import request_finished, request_started
from django.db import connections

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests; skipped, saying why, where there is none."""
    path = os.environ.get("CHROMIUM", "")
    if not path or not Path(path).exists():
        pytest.skip("CHROMIUM does not name a Chromium to drive")
    from playwright.sync_api import sync_playwright

    # Playwright runs an event loop in this thread, beside which other connections are kept: what
    # was open until now would stay open unseen.
    for each in connections.all():
        each.close()
        getattr(each, "close_pool", lambda: None)()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Answering:
    """Counts the requests that are being answered."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = threading.Condition()

    def begin(self, **_: Any) -> None:
        with self.changed:
            self.count += 1

    def end(self, **_: Any) -> None:
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait_until_done(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.count <= 0, timeout=10)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Say when nothing is being answered: tables emptied beside a request can deadlock with it."""
    counter = Answering()
    request_started.connect(counter.begin)
    request_finished.connect(counter.end)
    yield counter
    request_started.disconnect(counter.begin)
    request_finished.disconnect(counter.end)


@pytest.fixture
def site(live_server: Any, settings: Any) -> Iterator[str]:
    """The application served, with what follows a fact following at once.

    Skipped, saying why, without the front end: bare pages would fail far from the cause.
    """
    if not (settings.STATIC_DIST / ".vite" / "manifest.json").exists():
        pytest.skip("the front end is not built: `npm ci && npm run build`")
    settings.PUBLIC_BASE_URL = live_server.url
    current_app.conf.task_always_eager = True
    yield live_server.url
    current_app.conf.task_always_eager = False


@pytest.fixture
def faults() -> dict[str, bool]:
    return {"are_staged": False}


@pytest.fixture
def expected_faults(faults: dict[str, bool]) -> Callable[[], None]:
    """Say that answers will fail on purpose, which the browser notes on the console."""
    return lambda: faults.update(are_staged=True)


@pytest.fixture
def open_page(
    chromium: Any, site: str, faults: dict[str, bool], answering: Answering
) -> Iterator[Callable[..., Any]]:
    """Open pages of the site; anything wrong on their consoles fails the test."""
    contexts: list[Any] = []
    problems: list[str] = []

    def note(message: Any) -> None:
        # Whoever leaves a page breaks off what is on its way; a fault of ours answers.
        left = message.text.startswith(("htmx:sendError", "htmx:sendAbort", "htmx:afterRequest"))
        left = left or "422" in message.text  # what a form answers to what it refuses
        staged = ("htmx:", "Failed to load resource", "Response Status Error")
        left = left or (faults["are_staged"] and message.text.startswith(staged))
        if message.type == "error" and not left and "favicon" not in str(message.location):
            problems.append(f"{message.text} at {message.location}")

    def make(**options: Any) -> Any:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = chromium.new_context(base_url=site, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield make
    shots = os.environ.get("BROWSER_SHOTS", "")  # a folder: the last page of each context
    for number, context in enumerate(contexts):
        if shots and context.pages:
            context.pages[-1].screenshot(path=f"{shots}/last-{number}.png", full_page=True)
        context.close()
    answering.wait_until_done()  # what the last page asked for and left
    assert problems == []


@pytest.fixture
def sign_in(open_page: Callable[..., Any]) -> Callable[[Any], Any]:
    """Sign a member in through the form; returns the page."""

    def enter(user: Any) -> Any:
        page = open_page()
        page.goto("/accounts/login/")
        page.get_by_label("E-mail").fill(user.email)
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        return page

    return enter
