"""What the builder's form holds, as typed: read from a post, changed by buttons, written back.

Everything is text, so that what cannot be understood yet is still there to be corrected.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from monetization.interface import charging

Values = dict[str, str]

MAX_PHASES, MAX_LINES, MAX_TIERS, MAX_DISCOUNTS = 24, 60, 40, 8

HEADER = (
    "title",
    "legal_entity",
    "currency",
    "priced_in",  # the currency the amounts below are in
    "start_on",
    "expires_on",
    "anchor_day",
    "payment_terms_days",
    "auto_renew",
    "signer_name",
    "signer_email",
    "purchase_order",
    "introduction",
    "special_terms",
)
PHASE = (
    "name",
    "kind",
    "months",
    "minimum_amount",
    "minimum_frequency",
    "discount_percent",
    "discount_label",
    "add",
)
_LINE = frozenset(
    {
        *("product", "price_version", "item_key", "meter_key", "proration", "description"),
        *("model", "raw", "shown", "quantity", "expected_quantity", "frequency", "timing"),
        *("choice", "choice_group"),
        *("term_discount_mode", "term_discount_percent", "term_discount_label"),
        *("discount_percent", *charging.LINE_NAMES),
    }
)
TIER = ("up_to", "unit_price", "flat_fee")  # of a tier that is added
_TIER = frozenset(charging.ROW_NAMES)
_DISCOUNT = frozenset(charging.DISCOUNT_NAMES)


@dataclass(slots=True)
class LineState:
    values: Values
    tiers: list[Values] = field(default_factory=list)
    discounts: list[Values] = field(default_factory=list)  # beside the line's own percentage


@dataclass(slots=True)
class PhaseState:
    values: Values
    lines: list[LineState] = field(default_factory=list)


@dataclass(slots=True)
class DraftState:
    values: Values
    phases: list[PhaseState] = field(default_factory=list)


class ActionUnknown(ValueError):
    """A button that is not there, or not there any more."""


_NAME = re.compile(
    r"phases-(?P<phase>[0-9]{1,3})-(?:lines-(?P<line>[0-9]{1,3})-"
    r"(?:(?P<rows>tiers|discounts)-(?P<row>[0-9]{1,3})-)?)?(?P<name>[a-z_][a-z_0-9]*)",
    re.ASCII,
)


def read_state(post: Mapping[str, str]) -> DraftState:
    """Read a posted form. Names that are none of ours are left out; gaps close up."""
    phases: dict[int, Values] = {}
    lines: dict[tuple[int, int], Values] = {}
    rows: dict[tuple[int, int, str, int], Values] = {}
    for name, value in post.items():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        phase, key, kind = int(match["phase"]), match["name"], match["rows"]
        if kind is not None:
            if key in (_TIER if kind == "tiers" else _DISCOUNT):
                row = (phase, int(match["line"]), kind, int(match["row"]))
                rows.setdefault(row, {})[key] = value
        elif match["line"] is not None:
            if key in _LINE:
                lines.setdefault((phase, int(match["line"])), {})[key] = value
        elif key in PHASE:
            phases.setdefault(phase, {})[key] = value
    state = DraftState({name: post[name] for name in HEADER if name in post})
    for index in sorted(phases)[:MAX_PHASES]:
        phase_state = PhaseState(phases[index])
        for place in sorted(place for place in lines if place[0] == index)[:MAX_LINES]:
            found = [(at[2:], rows[at]) for at in sorted(rows) if at[:2] == place]
            tiers = [values for (kind, _), values in found if kind == "tiers"][:MAX_TIERS]
            discounts = [values for (kind, _), values in found if kind == "discounts"]
            phase_state.lines.append(LineState(lines[place], tiers, discounts[:MAX_DISCOUNTS]))
        state.phases.append(phase_state)
    return state


def flatten(state: DraftState) -> Values:
    """Write a state as form data, numbered from zero."""
    data = dict(state.values)
    for p, phase in enumerate(state.phases):
        data |= {f"phases-{p}-{name}": value for name, value in phase.values.items()}
        for i, line in enumerate(phase.lines):
            at = f"phases-{p}-lines-{i}"
            data |= {f"{at}-{name}": value for name, value in line.values.items()}
            for t, tier in enumerate(line.tiers):
                data |= {f"{at}-tiers-{t}-{name}": value for name, value in tier.items()}
            for d, row in enumerate(line.discounts):
                data |= {f"{at}-discounts-{d}-{name}": value for name, value in row.items()}
    return data


def apply_action(state: DraftState, action: str, new_line: LineState | None = None) -> str:
    """Change the state as a button says; return the form field to go to next.

    :param action: the button's value: a verb and the numbers of what it is at, counted from
        zero, e.g. ``remove-line:0:2``.
    :param new_line: the line ``add-line`` adds.
    :raises ActionUnknown: if there is no such button.
    """
    verb, *rest = action.split(":")
    if not all(re.fullmatch(r"[0-9]{1,3}", part, re.ASCII) for part in rest):
        raise ActionUnknown(action)
    place = [int(part) for part in rest]
    try:
        if verb in _ON_DRAFT and not place:
            return _ON_DRAFT[verb](state)
        if verb in _ON_PHASE and len(place) == 1:
            return _ON_PHASE[verb](state, place[0])
        if verb == "add-line" and new_line is not None:
            return _add_line(state, place[0], new_line)
        if verb in _ON_LINE and len(place) == 2:
            return _ON_LINE[verb](state, place[0], place[1])
        if verb in _ACROSS and len(place) == 3:
            return _ACROSS[verb](state, *place)
        if verb == "remove-line":
            return _remove_line(state, place[0], place[1])
        if verb == "add-tier":
            return _add_tier(state, place[0], place[1])
        if verb == "remove-tier":
            return _remove_tier(state, place[0], place[1], place[2])
        if verb == "add-discount":
            return _add_discount(state, place[0], place[1])
        if verb == "remove-discount":
            del state.phases[place[0]].lines[place[1]].discounts[place[2]]
            return f"phases-{place[0]}-lines-{place[1]}-discount_percent"
    except (IndexError, ValueError):
        raise ActionUnknown(action) from None
    raise ActionUnknown(action)


def _phase_name(position: int) -> str:
    return f"phases-{position}-name"


def _add_phase(state: DraftState) -> str:
    """Add a year after the last phase, with its lines; an open end is closed first."""
    if len(state.phases) >= MAX_PHASES:
        return _phase_name(len(state.phases) - 1)
    if not state.phases:
        state.phases.append(PhaseState({"name": "Term", "kind": "standard", "months": "12"}))
        return _phase_name(0)
    last = state.phases[-1]
    if not last.values.get("months", "").strip():
        last.values["months"] = "12"
    return _copy_phase(state, len(state.phases) - 1, name=f"Phase {len(state.phases) + 1}")


def _add_trial(state: DraftState) -> str:
    """Put a free month in front, with the lines of what follows."""
    if len(state.phases) >= MAX_PHASES:
        return _phase_name(0)
    trial = PhaseState(
        {
            "name": "Trial",
            "kind": "trial",
            "months": "1",
            "discount_percent": "100",
            "discount_label": "Free trial",
        },
        _recurring(state.phases[0]) if state.phases else [],
    )
    state.phases.insert(0, trial)
    return _phase_name(0)


def _recurring(phase: PhaseState) -> list[LineState]:
    return [deepcopy(one) for one in phase.lines if one.values.get("frequency") != "one_time"]


def _copy_phase(state: DraftState, position: int, *, name: str = "") -> str:
    """Repeat a phase after itself; what is billed once is not repeated."""
    source = state.phases[position]
    if len(state.phases) >= MAX_PHASES:
        return _phase_name(position)
    copy = PhaseState(deepcopy(source.values), _recurring(source))
    copy.values["name"] = name or f"{source.values.get('name', '')} (copy)".strip()[:80]
    copy.values.pop("add", None)
    state.phases.insert(position + 1, copy)
    if not source.values.get("months", "").strip():
        source.values["months"] = "12"  # only the last phase may be open-ended
    return _phase_name(position + 1)


def _remove_phase(state: DraftState, position: int) -> str:
    del state.phases[position]
    return _phase_name(max(0, position - 1)) if state.phases else "title"


def _move(state: DraftState, position: int, to: int) -> str:
    if 0 <= to < len(state.phases):
        state.phases.insert(to, state.phases.pop(position))
        return _phase_name(to)
    _ = state.phases[position]
    return _phase_name(position)


def _add_line(state: DraftState, position: int, line: LineState) -> str:
    phase = state.phases[position]
    if len(phase.lines) < MAX_LINES:
        taken = {one.values.get("item_key", "") for one in phase.lines}
        line.values["item_key"] = _free_key(line.values.get("product", ""), taken)
        phase.lines.append(line)
    phase.values.pop("add", None)
    return f"phases-{position}-lines-{len(phase.lines) - 1}-description"


def _free_key(code: str, taken: set[str]) -> str:
    """Return the product's code, or with a number where the phase has it already.

    >>> _free_key("seats", {"seats", "seats-2"})
    'seats-3'
    """
    if code not in taken:
        return code
    return next(key for n in range(2, MAX_LINES + 3) if (key := f"{code}-{n}") not in taken)


def _copy_line(state: DraftState, position: int, line: int) -> str:
    """Repeat a line below itself, under a key of its own."""
    phase = state.phases[position]
    source = phase.lines[line]
    if len(phase.lines) >= MAX_LINES:
        return _line_name(position, line)
    copy = deepcopy(source)
    taken = {one.values.get("item_key", "") for one in phase.lines}
    copy.values["item_key"] = _free_key(source.values.get("product", ""), taken)
    phase.lines.insert(line + 1, copy)
    return _line_name(position, line + 1)


def _move_line(state: DraftState, position: int, line: int, to: int) -> str:
    lines = state.phases[position].lines
    if 0 <= to < len(lines):
        lines.insert(to, lines.pop(line))
        return _line_name(position, to)
    _ = lines[line]
    return _line_name(position, line)


def _line_to_phase(state: DraftState, position: int, line: int, to: int) -> str:
    """Move a line to the end of another phase, with all it says."""
    target = state.phases[to]
    if to == position or len(target.lines) >= MAX_LINES:
        return _line_name(position, line)
    return _into(state, to, state.phases[position].lines.pop(line))


def _line_copied_to(state: DraftState, position: int, line: int, to: int) -> str:
    """Repeat a line in another phase: the same line, as long as that phase has none of its key."""
    target = state.phases[to]
    if to == position or len(target.lines) >= MAX_LINES:
        return _line_name(position, line)
    return _into(state, to, deepcopy(state.phases[position].lines[line]))


def _into(state: DraftState, to: int, line: LineState) -> str:
    lines = state.phases[to].lines
    taken = {one.values.get("item_key", "") for one in lines}
    if line.values.get("item_key", "") in taken:
        line.values["item_key"] = _free_key(line.values.get("product", ""), taken)
    lines.append(line)
    return _line_name(to, len(lines) - 1)


def _line_name(position: int, line: int) -> str:
    return f"phases-{position}-lines-{line}-description"


def _remove_line(state: DraftState, position: int, line: int) -> str:
    del state.phases[position].lines[line]
    return f"phases-{position}-add"


def _add_tier(state: DraftState, position: int, line: int) -> str:
    """Add a row at the end; a tier before the last, which stays the open one."""
    block = state.phases[position].lines[line]
    columns = charging.columns_of(block.values.get("model", ""), block.values)
    is_tiered = not columns or columns[0].name == "up_to"
    at = max(0, len(block.tiers) - 1) if is_tiered else len(block.tiers)
    if len(block.tiers) < MAX_TIERS:
        block.tiers.insert(at, dict.fromkeys(TIER, "") if is_tiered else {"unit_price": ""})
    name = columns[0].name if columns else "up_to"
    return f"phases-{position}-lines-{line}-tiers-{at}-{name}"


def _add_discount(state: DraftState, position: int, line: int) -> str:
    rows = state.phases[position].lines[line].discounts
    if len(rows) < MAX_DISCOUNTS:
        rows.append({"kind": "amount", "value": "", "label": "Discount"})
    return f"phases-{position}-lines-{line}-discounts-{len(rows) - 1}-value"


def _remove_tier(state: DraftState, position: int, line: int, tier: int) -> str:
    tiers = state.phases[position].lines[line].tiers
    del tiers[tier]
    return f"phases-{position}-lines-{line}-tiers-{max(0, tier - 1)}-unit_price"


_ON_DRAFT = {"add-phase": _add_phase, "add-trial": _add_trial}
_ON_LINE = {
    "copy-line": _copy_line,
    "up-line": lambda state, position, line: _move_line(state, position, line, line - 1),
    "down-line": lambda state, position, line: _move_line(state, position, line, line + 1),
}
_ACROSS = {"move-line": _line_to_phase, "copy-line-to": _line_copied_to}
_ON_PHASE = {
    "copy-phase": _copy_phase,
    "remove-phase": _remove_phase,
    "up-phase": lambda state, position: _move(state, position, position - 1),
    "down-phase": lambda state, position: _move(state, position, position + 1),
}
