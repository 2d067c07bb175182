"""Pages read with axe-core, in the light and in the dark theme; also of a running application.

    CHROMIUM=/usr/bin/chromium python -m tests.browser.accessibility http://127.0.0.1:8000 \\
        maya@tidewater.example tidewater-demo

follows the links from Home to three pages of every kind, opens what folds and every dialog, and
prints what axe finds.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
CHECK = (Path(__file__).parent / "accessibility.js").read_text()
IN_THE_DARK = ["color-contrast", "link-in-text-block"]  # what another theme can change
FILES = re.compile(r"\.(csv|pdf|xlsx)\b|[/=](pdf|xml|export)\b|^/(api|documents|admin|compat)/")
NAMES = re.compile(r"/([0-9a-f]{8}-[0-9a-f-]{27}|[0-9-]+|[\w-]{30,})(?=/|$)")
# What is on its way: htmx's parts, a grid's rows, type.
AT_REST = """() => document.fonts.status === "loaded"
    && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .loading, .waits")"""


class Reader:
    """Read pages of one browser context; what is found is kept in `problems`."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        self.kinds: Counter[str] = Counter()  # of pages
        self.parts: set[str] = set()  # dialogs and menus that need not be read again
        page.emulate_media(reduced_motion="reduce")  # a color on its way to another is neither

    def goto(self, path: str) -> int:
        """Open a page and read it; returns how the server answered."""
        answer = self.page.goto(path)
        self.kinds[kind_of(path)] += 1
        self.look(path)
        return int(answer.status)

    def look(self, name: str) -> None:
        """Read the page as it stands with all that folds open; then its menus and dialogs."""
        page = self.page
        page.evaluate(
            "document.querySelectorAll('main details:not(.menu)').forEach((e) => { e.open = true })"
        )
        page.wait_for_function(AT_REST)
        self.check(name)
        if page.locator("details.menu").count():
            page.evaluate("document.querySelector('details.menu').open = true")
            self.check(f"{name}, menu", within="details.menu[open]")
            page.evaluate("document.querySelector('details.menu').open = false")
        for dialog in page.query_selector_all("dialog[id]:not([open])"):
            part = f"{kind_of(name)} #{dialog.get_attribute('id')}"
            part = part if "palette" not in part else "palette"
            if part not in self.parts:
                self.parts.add(part)
                dialog.evaluate("(e) => e.showModal()")
                self.check(f"{name}, dialog", within="dialog[open]")
                dialog.evaluate("(e) => e.close()")

    def check(self, name: str, within: str = "") -> None:
        """Read what is there, in both themes."""
        page = self.page
        if not page.evaluate("typeof axe === 'object'"):
            page.evaluate(f"{AXE.read_text()}\n;0")  # the page's policy allows no script of others
        for theme in ("dark", "light"):
            page.evaluate(
                "(theme) => { document.documentElement.dataset.bsTheme = theme;"
                " document.dispatchEvent(new CustomEvent('themechange')) }",
                theme,
            )
            rules = IN_THE_DARK if theme == "dark" else None
            for rule, impact, where, why in page.evaluate(CHECK, [within, rules]):
                self.problems.append(f"{name} ({theme}) {impact} {rule}: {where} – {why}")

    def follow(self, *start: str, most: int = 1) -> None:
        """Read what links lead to: so many pages of every kind."""
        queue = list(start)
        seen = set(queue)
        while queue:
            path = queue.pop(0)
            if self.kinds[kind_of(path)] >= most:
                continue
            self.goto(path)
            links = [path for path in self.links() if path not in seen]
            seen.update(links)
            queue += links

    def links(self) -> Iterator[str]:
        """Return where the page's links and rows lead, files left out."""
        found = self.page.evaluate(
            """() => [...document.querySelectorAll("a[href]:not([download]), tr[data-href]")]
                .map((e) => new URL(e.href || e.dataset.href, location))
                .filter((to) => to.origin === location.origin)
                .map((to) => to.pathname + to.search)"""
        )
        yield from (path for path in found if not FILES.search(path))


def kind_of(path: str) -> str:
    """Return the address without what names one thing or chooses a view.

    >>> kind_of("/revenue/months/2026-03/?currency=EUR")
    '/revenue/months/*/'
    """
    return NAMES.sub("/*", urlsplit(path).path)


def main(address: str, email: str, password: str) -> int:
    """Read the pages of a running application; return 1 if anything was found."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or None, args=["--headless", "--no-sandbox"]
        )
        page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 900})
        page.goto("/accounts/login/")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        reader = Reader(page)
        reader.follow("/", most=3)
        browser.close()
    print("\n".join(reader.problems))  # noqa: T201
    print(f"{sum(reader.kinds.values())} pages, {len(reader.problems)} problems")  # noqa: T201
    return 1 if reader.problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
