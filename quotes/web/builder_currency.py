"""A draft's prices when another currency is chosen: the list's in it, or to be agreed anew."""

from collections.abc import Iterable
from uuid import UUID

from monetization.catalog.models import PriceVersion
from monetization.kernel.money import MoneyError, minor_unit
from quotes.services.currencies import counterparts, is_as_listed
from quotes.web.builder_draft import BuilderDraft, LineBlock, fit_rows, line_from_price
from quotes.web.builder_forms import AS_IS
from quotes.web.draft_state import DraftState, LineState, Values

# What holds whatever the currency is.
_KEPT = (
    *("item_key", "quantity", "expected_quantity", "frequency", "timing", "proration"),
    *("description", "choice", "choice_group", "discount_percent"),
    *("term_discount_mode", "term_discount_percent", "term_discount_label"),
)
_OF_MODEL = (
    *("amount", "unit_price", "package_price", "fixed_fee", "free_amount", "event_minimum"),
    *("event_maximum", "default_unit_price"),
)
_BESIDE = ("min_amount", "cap_amount", "unit_rate")
_OF_ROW = ("unit_price", "flat_fee", "price")


def settle_currency(state: DraftState) -> list[str]:
    """Bring every price into the currency chosen; say what happened to them, in sentences.

    A line from the list takes what the list has in it. An amount of one's own is nobody's to
    convert: it is taken out, and its field asks for another.
    """
    chosen, was = state.values.get("currency", ""), state.values.get("priced_in", "")
    if not chosen or not was or chosen == was:
        return []
    try:
        minor_unit(chosen)
    except MoneyError:
        return []  # its field says so
    state.values["priced_in"] = chosen
    found = _relisted(state, chosen, was)
    for phase in state.phases:
        if amount := phase.values.get("minimum_amount", "").strip():
            phase.values |= {"minimum_amount": "", "minimum_frequency": ""}
            name = phase.values.get("name", "")
            found.setdefault("gone", []).append(f"the minimum of {name} (was {amount} {was})")
    words = {
        "listed": f"At their list price in {chosen}",
        "agreed": f"Agreed beside the list before, at their list price in {chosen} now",
        "needed": f"Without a list price in {chosen}, say the one agreed",
        "gone": "Taken out, to be agreed anew",
    }
    return [
        f"Prices are in {chosen} now; undo takes it back.",
        *(
            f"{title}: {', '.join(dict.fromkeys(found[key]))}."
            for key, title in words.items()
            if key in found
        ),
    ]


def _relisted(state: DraftState, chosen: str, was: str) -> dict[str, list[str]]:
    """Give every line what the list has in the currency chosen; say which, and what is needed."""
    lines = [line for phase in state.phases for line in phase.lines]
    ids = [id for line in lines if (id := _uuid(line.values.get("price_version", "")))]
    instead = counterparts(ids, chosen)
    fit_rows(state)
    blocks = [block.lines for block in BuilderDraft(state).phases]
    found: dict[str, list[str]] = {}
    for phase, typed in zip(state.phases, blocks, strict=True):
        for place, (line, block) in enumerate(zip(phase.lines, typed, strict=True)):
            key, before = line.values.get("price_version", ""), _was(line, was)
            own = _own_words(block, line, was)
            name = block.product.name if block.product else line.values.get("product", "")
            if key in instead:
                phase.lines[place] = _listed_line(line, instead[key])
                found.setdefault("agreed" if own else "listed", []).append(name + own)
            elif _empty(line):
                found.setdefault("needed", []).append(name + before)
    return found


def _listed_line(line: LineState, version: PriceVersion) -> LineState:
    """Return a line at another list price, with all that is not a price kept."""
    fresh = line_from_price(version)
    fresh.values |= {name: line.values[name] for name in _KEPT if name in line.values}
    if line.discounts:
        fresh.discounts = line.discounts
        _empty_discounts(fresh)
    return fresh


def _empty(line: LineState) -> bool:
    """Take a line's own amounts out; say whether it had any, so that it needs others."""
    values = line.values
    values["price_version"] = ""
    if values.get("model") == AS_IS:
        values["raw"] = ""
        return True
    in_units = bool(values.get("unit_code", "").strip())  # then only a unit costs money
    names = _BESIDE if in_units else (*_OF_MODEL, *_BESIDE)
    emptied = _emptied(values, names)
    if not values.get("credits_unit", "").strip():
        emptied |= _emptied(values, ("credits_sold",))
    if not in_units:
        columns: tuple[str, ...] = _OF_ROW
        if values.get("model") == "graduated_percentage":  # its tiers are of money
            columns = (*_OF_ROW, "up_to")
        for row in line.tiers:
            emptied |= _emptied(row, columns)
    return _empty_discounts(line) or emptied


def _empty_discounts(line: LineState) -> bool:
    rows = [row for row in line.discounts if row.get("kind") == "amount"]
    emptied = [_emptied(row, ("value",)) for row in rows]
    return any(emptied)


def _emptied(values: Values, names: Iterable[str]) -> bool:
    found = [name for name in names if values.get(name, "").strip()]
    values |= dict.fromkeys(found, "")
    return bool(found)


def _own_words(block: LineBlock, line: LineState, was: str) -> str:
    """Say what a line from the list was agreed at, if not as listed."""
    if block.listed is None or _is_as_listed(block, block.listed):
        return ""
    return _was(line, was) or " (as agreed)"


def _is_as_listed(block: LineBlock, listed: PriceVersion) -> bool:
    if block.model is None:  # cannot be read as it is typed
        return False
    return is_as_listed({"model": block.model, "modifiers": block.modifiers}, listed)


def _was(line: LineState, was: str) -> str:
    amounts = [text for name in _OF_MODEL if (text := line.values.get(name, "").strip())]
    return f" (was {', '.join(amounts)} {was})" if amounts else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
