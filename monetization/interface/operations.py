"""What the API reference says of an operation in one line, beside its address."""

import re

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from rest_framework.viewsets import ViewSetMixin

_VERBS = {
    "list": "List",
    "retrieve": "Read",
    "create": "Create",
    "update": "Replace",
    "partial_update": "Change",
    "destroy": "Remove",
}
_BY_METHOD = {"GET": "retrieve", "POST": "create", "PUT": "update", "PATCH": "partial_update"}
_FIRST_CLAUSE = re.compile(r"[.;:](?=\s|$)")


class DescribedSchema(AutoSchema):
    """Take an operation's summary from its own words, or from what it is done to."""

    def get_summary(self) -> str:
        """Return the first clause of what is said of an operation.

        Where that is what its view says of all of them, its address tells it.
        """
        said = str(self.get_description())
        if said == get_doc(self.view.__class__) and self._shares_words():
            return self._verb_and_noun()
        return _first_clause(said)

    def _shares_words(self) -> bool:
        """Say whether the view's words stand for several operations."""
        if isinstance(self.view, ViewSetMixin):
            return True
        methods = ("get", "post", "put", "patch", "delete")
        return sum(hasattr(self.view, method) for method in methods) > 1

    def _verb_and_noun(self) -> str:
        action = getattr(self.view, "action", None)
        if action not in _VERBS:
            action = _BY_METHOD.get(self.method, "destroy")
        if action == "retrieve" and self._is_list_view():
            action = "list"
        words = [part for part in self.path.split("/") if part and not part.startswith("{")]
        noun = words[-1].replace("-", " ").replace("api ", "API ")
        return f"{_VERBS[action]} {noun if action == 'list' else _one_of(noun)}"


def _first_clause(text: str) -> str:
    return _FIRST_CLAUSE.split(" ".join(text.replace("`", "").split()), maxsplit=1)[0]


def _one_of(plural: str) -> str:
    """Return one of what an address names: ``deputies`` is ``a deputy``."""
    if plural.endswith("ies"):
        one = f"{plural[:-3]}y"
    elif plural.endswith("shes"):
        one = plural[:-2]
    else:
        one = plural.removesuffix("s")
    return f"{'an' if one[0].lower() in 'aeiou' else 'a'} {one}"
