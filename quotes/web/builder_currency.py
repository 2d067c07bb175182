"""A draft's prices when another currency is chosen: the list's in it, or agreed anew."""

from collections.abc import Iterable
from uuid import UUID

from monetization.catalog.models import PriceVersion
from monetization.kernel.money import MoneyError, minor_unit
from quotes.services.currencies import counterparts, is_as_listed
from quotes.web.builder_draft import BuilderDraft, LineBlock, fit_rows, line_from_price
from quotes.web.builder_forms import AS_IS, OTHER_CURRENCY
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
    convert: it stays in its field with its currency behind it, which cannot be saved, until
    another is typed, it is emptied, or its currency is chosen again.
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
        if _mark(phase.values, ("minimum_amount",), chosen, was):
            found.setdefault("asked", []).append(f"the minimum of {phase.values.get('name', '')}")
    words = {
        "listed": f"At their list price in {chosen}",
        "agreed": f"Agreed beside the list before, at their list price in {chosen} now",
        "asked": f"To be agreed in {chosen}",
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
    """Give every line what the list has in the currency chosen; say which, and what is asked."""
    lines = [line for phase in state.phases for line in phase.lines]
    ids = [id for line in lines if (id := _uuid(line.values.get("price_version", "")))]
    instead = counterparts(ids, chosen)
    fit_rows(state)
    blocks = [block.lines for block in BuilderDraft(state).phases]
    found: dict[str, list[str]] = {}
    for phase, typed in zip(state.phases, blocks, strict=True):
        for place, (line, block) in enumerate(zip(phase.lines, typed, strict=True)):
            key = line.values.get("price_version", "")
            own = _own_words(block, line, was)
            name = block.product.name if block.product else line.values.get("product", "")
            if key in instead and not _is_asked(line, chosen):
                phase.lines[place] = _listed_line(line, instead[key], chosen, was)
                found.setdefault("agreed" if own else "listed", []).append(name + own)
            elif _ask(line, chosen, was):
                found.setdefault("asked", []).append(name)
    return found


def _is_asked(line: LineState, chosen: str) -> bool:
    """Say whether a line still has its amounts of the currency chosen, from before another."""
    texts = [line.values.get(name, "") for name in (*_OF_MODEL, *_BESIDE)]
    texts += [row.get(name, "") for row in line.tiers for name in _OF_ROW]
    return any(text.endswith(f" {chosen}") for text in texts)


def _listed_line(line: LineState, version: PriceVersion, chosen: str, was: str) -> LineState:
    """Return a line at another list price, with all that is not a price kept."""
    fresh = line_from_price(version)
    fresh.values |= {name: line.values[name] for name in _KEPT if name in line.values}
    if line.discounts:
        fresh.discounts = line.discounts
        _ask_discounts(fresh, chosen, was)
    return fresh


def _ask(line: LineState, chosen: str, was: str) -> bool:
    """Mark a line's own amounts; say whether there are any that need another."""
    values = line.values
    if values.get("model") == AS_IS:
        values["raw"] = ""
        return True
    in_units = bool(values.get("unit_code", "").strip())  # then only a unit costs money
    names = [*_BESIDE] if in_units else [*_OF_MODEL, *_BESIDE]
    if not values.get("credits_unit", "").strip():
        names.append("credits_sold")
    marked = [_mark(values, names, chosen, was), _ask_discounts(line, chosen, was)]
    if not in_units:
        columns = [*_OF_ROW]
        if values.get("model") == "graduated_percentage":  # its tiers are of money
            columns.append("up_to")
        marked += [_mark(row, columns, chosen, was) for row in line.tiers]
    return any(marked)


def _ask_discounts(line: LineState, chosen: str, was: str) -> bool:
    rows = [row for row in line.discounts if row.get("kind") == "amount"]
    marked = [_mark(row, ("value",), chosen, was) for row in rows]  # every one
    return any(marked)


def _mark(values: Values, names: Iterable[str], chosen: str, was: str) -> bool:
    """Put its currency behind every amount that is not of the one chosen; say if there is any."""
    found = False
    for name in names:
        text = values.get(name, "").strip()
        if text.endswith(f" {chosen}"):
            values[name] = text.removesuffix(chosen).rstrip()
        elif text:
            found = True
            values[name] = text if OTHER_CURRENCY.fullmatch(text) else f"{text} {was}"
    return found


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
