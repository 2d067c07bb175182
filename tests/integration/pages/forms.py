"""What a browser would send from the forms of a page."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

METHODS = ("get", "post", "put", "delete")


class Form:
    """One form: where it goes, and what it sends as it stands."""

    def __init__(self, page: str, attrs: dict[str, str]) -> None:
        self.method = attrs.get("method", "get").lower()
        self.to = urljoin(page, attrs.get("action", "")) or page
        for method in METHODS:
            if f"hx-{method}" in attrs:
                self.method, self.to = method, urljoin(page, attrs[f"hx-{method}"])
        self.data: dict[str, list[str]] = {}
        self.typed: set[str] = set()  # what people write in, not choose from


class Forms(HTMLParser):
    """Collects the forms of a page, fields outside their form included."""

    def __init__(self, page: str, html: str) -> None:
        super().__init__()
        self.page = page
        self.found: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self._form: Form | None = None
        self._select = self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(self.page, a)
            self.found.append(self._form)
            self.by_id[a.get("id", "")] = self._form
        form = self.by_id.get(a["form"]) if "form" in a else self._form
        name = a.get("name", "")
        if form is None or not name or "disabled" in a or name == "csrfmiddlewaretoken":
            if tag == "option" and self._select and self._form is not None:
                self._option(self._form, a)
            return
        kind = a.get("type", "text")
        values = form.data.setdefault(name, [])
        if tag == "input" and kind not in ("checkbox", "radio", "file", "submit"):
            values.append(a.get("value", ""))
            if kind != "hidden":
                form.typed.add(name)
        elif tag == "input" and "checked" in a:
            values.append(a.get("value", "on"))
        elif tag == "button" and not values:
            values.append(a.get("value", ""))
        elif tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
            values.append("")
            form.typed.add(name)

    def _option(self, form: Form, a: dict[str, str]) -> None:
        chosen = form.data[self._select]
        if "selected" in a or not chosen:
            chosen[:] = [a.get("value", "")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._form is not None:
            self._form.data[self._area][-1] += data.removeprefix("\n")
