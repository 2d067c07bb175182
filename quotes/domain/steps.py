"""What a step of editing did, in the words of the builder. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_HEADER = {
    "title": "title",
    "currency": "currency",
    "legal_entity": "seller",
    "start_on": "start",
    "expires_on": "last day to sign",
    "anchor_day": "billing day",
    "payment_terms_days": "payment terms",
    "auto_renew": "renewal",
    "renewal_months": "renewal",
    "renewal_uplift_percent": "renewal",
    "renewal_notice_days": "renewal",
    "purchase_order": "purchase order",
    "signer_name": "signer",
    "signer_email": "signer",
    "further_signers": "signers",
    "asks_email_code": "e-mail code",
    "introduction": "introduction",
    "special_terms": "special terms",
    "time_zone": "time zone",
    "change_rule": "change rule",
}
_LINE = {
    "model": "price",
    "modifiers": "price",
    "quantity": "quantity",
    "expected_quantity": "expected usage",
    "discount_percent": "discount",
    "frequency": "billing",
    "timing": "billing",
    "description": "note",
    "is_optional": "choice",
    "is_chosen": "choice",
    "choice_group": "choice",
    "term_discount_mode": "commitment discount",
    "term_discount_percent": "commitment discount",
    "term_discount_label": "commitment discount",
}
_PHASE = {
    "name": "name",
    "kind": "kind",
    "months": "length",
    "minimum_amount": "minimum",
    "minimum_frequency": "minimum",
    "discount_percent": "discount",
    "discount_label": "discount",
}


def what_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say in a few words what two states of a draft differ by; empty if by nothing.

    >>> what_changed({"title": "A", "phases": []}, {"title": "B", "phases": []})
    'title'
    >>> line = {"product": "seats", "item_key": "seats", "quantity": "1"}
    >>> year = {"name": "Year", "lines": [line]}
    >>> more = {"name": "Year", "lines": [line | {"quantity": "5"}]}
    >>> what_changed({"phases": [year]}, {"phases": [more]})
    'Year · seats: quantity'
    >>> what_changed({"phases": [year]}, {"phases": [year, year | {"name": "Next"}]})
    'phase added'
    """
    names = [word for key, word in _HEADER.items() if before.get(key) != after.get(key)]
    names += _phases(before.get("phases", []), after.get("phases", []))
    found = list(dict.fromkeys(names))
    if len(found) > 2:
        return f"{found[0]} and {len(found) - 1} more"
    return " and ".join(found)


def _phases(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    if before == after:
        return []
    if len(before) != len(after):
        return ["phase added" if len(after) > len(before) else "phase removed"]
    if _same(before, after):
        return ["phases moved"]
    found = []
    for old, new in zip(before, after, strict=True):
        name = new.get("name") or old.get("name") or "phase"
        found += [f"{name}: {word}" for key, word in _PHASE.items() if old.get(key) != new.get(key)]
        found += [f"{name} · {words}" for words in _lines(old.get("lines"), new.get("lines"))]
    return _with_moves(before, after, found) or ["phases"]


def _with_moves(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], found: list[str]
) -> list[str]:
    """Say of a line that left one phase for another that it moved."""
    gone = list(_not_in(before, after))
    for name, line in _not_in(after, before):
        for left, other in gone:
            if left != name and _content(line) == _content(other):
                product = line.get("product")
                pair = (f"{left} · {product} removed", f"{name} · {product} added")
                rest = [words for words in found if words not in pair]
                return [f"{product} moved to {name}", *rest]
    return found


def _not_in(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for phase, beside in zip(one, other, strict=True):
        keys = {line.get("item_key") for line in beside.get("lines", [])}
        for line in phase.get("lines", []):
            if line.get("item_key") not in keys:
                yield phase.get("name") or "phase", line


def _content(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line says, whatever it is called and its term earns it there."""
    apart = ("item_key", "term_discount_percent", "term_discount_label")
    return {key: value for key, value in line.items() if key not in apart}


def _lines(
    before: Sequence[Mapping[str, Any]] | None, after: Sequence[Mapping[str, Any]] | None
) -> list[str]:
    old, new = before or (), after or ()
    if list(old) == list(new):
        return []
    was = {line.get("item_key"): line for line in old}
    now = {line.get("item_key"): line for line in new}
    found = [f"{line.get('product')} added" for key, line in now.items() if key not in was]
    found += [f"{line.get('product')} removed" for key, line in was.items() if key not in now]
    for key, line in now.items():
        earlier = was.get(key)
        if earlier is not None:
            found += [
                f"{line.get('product')}: {word}"
                for name, word in _LINE.items()
                if earlier.get(name) != line.get(name)
            ]
    return list(dict.fromkeys(found)) or ["lines moved"]


def is_same_shape(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether only fields differ: the same lines in as many phases, in the same order.

    >>> one = {"phases": [{"lines": [{"item_key": "seats"}]}]}
    >>> is_same_shape(one, one), is_same_shape(one, {"phases": []})
    (True, False)
    """

    def shape(state: Mapping[str, Any]) -> list[list[Any]]:
        phases = state.get("phases", [])
        return [[line.get("item_key") for line in phase.get("lines", [])] for phase in phases]

    return shape(before) == shape(after)


def _same(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the same phases stand in another order."""
    rest = list(before)
    for phase in after:
        if phase not in rest:
            return False
        rest.remove(phase)
    return True
