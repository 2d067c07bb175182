"""A draft in the builder: its forms, what is wrong with them, and the payload they make."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django import forms

from monetization.catalog.models import PriceVersion, Product
from monetization.interface import charging
from monetization.interface.charging import TypedWrong
from monetization.kernel.decimals import plain
from quotes.models import QuoteLine, QuoteVersion
from quotes.web.builder_forms import (
    AS_IS,
    HeaderForm,
    LineForm,
    PhaseForm,
    RowForm,
    read_row,
)
from quotes.web.draft_state import (
    HEADER,
    DraftState,
    LineState,
    PhaseState,
    Values,
    flatten,
)

MAX_MONTHS = 240


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to correct, and the field it is at ("" when at none)."""

    field_id: str
    label: str
    message: str


@dataclass(slots=True)
class LineBlock:
    form: LineForm
    tiers: list[RowForm]
    discounts: list[RowForm]
    place: str  # "0:2", as the buttons say it
    product: Product | None
    listed: PriceVersion | None
    earned: QuoteLine | None = None  # as stored, with what its term takes off
    model: Any = None  # data, once everything could be read
    modifiers: Any = None

    @property
    def term_id(self) -> str:
        return f"term-{self.place.replace(':', '-')}"

    @property
    def is_open(self) -> bool:
        """Say whether anything beside the charge model is agreed, or wrong."""
        return bool(self.discounts) or self.form.says_more

    @property
    def layout_fields(self) -> tuple[str, ...]:
        return charging.LAYOUT_FIELDS

    @property
    def row_word(self) -> str:
        return charging.row_word(self.form.chosen)

    @property
    def has_open_tier(self) -> bool:
        """Say whether the last row is a tier without a bound."""
        columns = self.form.columns
        return bool(columns) and columns[0].name == "up_to"

    def read(self) -> None:
        """Read the price from forms that are valid.

        :raises TypedWrong: naming the field, and its row.
        """
        values = self.form.read()
        if self.form.chosen == AS_IS:
            self.model = self.form.cleaned_data["raw"]
        else:
            rows = [read_row(row) for row in self.tiers]
            self.model = charging.model_from_typed(self.form.chosen, values, rows)
        discounts = [read_row(row) for row in self.discounts]
        self.modifiers = charging.modifiers_from_typed(values, discounts)


@dataclass(slots=True)
class PhaseBlock:
    form: PhaseForm
    lines: list[LineBlock]
    position: int

    @property
    def number(self) -> str:
        return str(self.position)

    @property
    def shown_name(self) -> str:
        name: str = self.form["name"].value() or ""
        return f"phase {self.position + 1}: {name}" if name else f"phase {self.position + 1}"


@dataclass(slots=True)
class BuilderDraft:
    """The forms of a state, bound, so that each shows what was typed and what is wrong."""

    state: DraftState
    header: HeaderForm = field(init=False)
    phases: list[PhaseBlock] = field(init=False)
    found: list[Problem] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        data = flatten(self.state)
        products, listed = _catalog(self.state)
        self.header = HeaderForm(data)
        self.phases = []
        for p, phase in enumerate(self.state.phases):
            lines = []
            for i, line in enumerate(phase.lines):
                at = f"phases-{p}-lines-{i}"
                product = products.get(line.values.get("product", ""))
                form = LineForm(data, prefix=at, kind=product.kind if product else "fixed")
                columns = form.columns
                tiers = [
                    RowForm(data, prefix=f"{at}-tiers-{t}", columns=columns)
                    for t in range(len(line.tiers) if columns else 0)
                ]
                discounts = [
                    RowForm(data, prefix=f"{at}-discounts-{d}", columns=charging.DISCOUNT_COLUMNS)
                    for d in range(len(line.discounts))
                ]
                version = listed.get(line.values.get("price_version", ""))
                lines.append(LineBlock(form, tiers, discounts, f"{p}:{i}", product, version))
            self.phases.append(PhaseBlock(PhaseForm(data, prefix=f"phases-{p}"), lines, p))
        self._check()

    def _forms(self) -> Iterator[tuple[str, forms.Form]]:
        yield "", self.header
        for block in self.phases:
            name = f"Phase {block.position + 1}"
            yield name, block.form
            for line in block.lines:
                where = f"{name} · {line.product.name if line.product else 'unknown product'}"
                yield where, line.form
                for number, tier in enumerate(line.tiers, start=1):
                    yield f"{where} · {line.row_word} {number}", tier
                for number, row in enumerate(line.discounts, start=1):
                    yield f"{where} · discount {number}", row

    def _check(self) -> None:
        for block in self.phases:
            for line in block.lines:
                if line.product is None:
                    line.form.add_error("model", "the product is not in the catalog any more")
                _read_line(line)
        for where, form in self._forms():
            for name, errors in form.errors.items():
                bound = form[name] if name in form.fields else None
                field_id = bound.auto_id if bound else ""
                label = " · ".join(
                    part for part in (where, str(bound.label) if bound else "") if part
                )
                self.found += [Problem(field_id, label, str(error)) for error in errors]
        months = [block.form.cleaned_data.get("months") or 0 for block in self.phases]
        if sum(months) > MAX_MONTHS:
            last = f"phases-{len(self.phases) - 1}-months"
            self.refuse(last, f"all phases together may span at most {MAX_MONTHS} months")

    def refuse(self, path: str, message: str) -> None:
        """Note what the pricing or the draft refused, at the field it names.

        :param path: as the message named it, e.g. ``phases[0].items[1].model.tiers[0].up_to``.
        """
        name = form_field(path)
        for where, form in self._forms():
            for key in form.fields:
                if form.add_prefix(key) == name:
                    form.add_error(key, message)
                    label = " · ".join(part for part in (where, str(form[key].label)) if part)
                    self.found.append(Problem(form[key].auto_id, label, message))
                    return
        self.found.append(Problem("", path, message))

    def show_earned(self, version: QuoteVersion) -> None:
        """Put beside each line what its term takes off, as it was stored."""
        rows = QuoteLine.objects.filter(phase__version=version).select_related("phase")
        stored = {(row.phase.position - 1, row.item_key): row for row in rows}
        for block in self.phases:
            for line in block.lines:
                key = line.form.data.get(line.form.add_prefix("item_key"), "")
                line.earned = stored.get((block.position, key))

    def payload(self) -> dict[str, Any]:
        """Return what ``save_draft`` takes. Only for a draft without problems."""
        payload: dict[str, Any] = dict(self.header.cleaned_data)
        payload["currency"] = payload["currency"] or self.state.values.get("priced_in")
        payload["start_on"] = payload["start_on"].isoformat()
        payload["expires_on"] = payload["expires_on"].isoformat()
        payload["phases"] = [
            {
                **block.form.cleaned_data,
                "lines": [_line_payload(line, payload["currency"]) for line in block.lines],
            }
            for block in self.phases
        ]
        return payload


def _line_payload(line: LineBlock, currency: str | None) -> dict[str, Any]:
    clean = line.form.cleaned_data
    usage = line.form.kind == "usage"
    names = ("product", "price_version", "item_key", "meter_key", "proration", "description")
    row = {name: clean.get(name) or "" for name in names}
    if line.listed is not None and currency not in (None, line.listed.price.currency):
        row["price_version"] = ""  # the list has none in the currency chosen: a price of its own
    row |= {
        "model": line.model,
        "modifiers": line.modifiers,
        "quantity": clean.get("quantity"),
        "expected_quantity": clean.get("expected_quantity"),
        "frequency": clean["frequency"],
        "timing": "in_arrears" if usage else clean["timing"],
        "discount_percent": clean.get("discount_percent"),
        "is_optional": bool(clean.get("choice")),
        "is_chosen": clean.get("choice") == "chosen",
        "choice_group": clean.get("choice_group") or "",
        "term_discount_mode": clean.get("term_discount_mode") or "",
        "term_discount_percent": clean.get("term_discount_percent"),
        "term_discount_label": clean.get("term_discount_label") or "",
    }
    return row


def _read_line(line: LineBlock) -> None:
    """Read a line's price where its fields can be read; note what makes no price."""
    if any(form.errors for form in (line.form, *line.tiers, *line.discounts)):
        return
    try:
        line.read()
    except TypedWrong as wrong:
        form: forms.Form = line.form
        for rows in (line.tiers, line.discounts):
            if wrong.row is not None and wrong.row < len(rows) and wrong.name in rows[0].fields:
                form = rows[wrong.row]
        form.add_error(wrong.name if wrong.name in form.fields else "model", wrong.message)


_BESIDE = "conversion|included|accumulation|pricing_unit|overage_frequency|credits"
_MODIFIED = re.compile(rf"(phases\[[0-9]+\]\.lines\[[0-9]+\])\.((?:{_BESIDE})(?:\..*)?)")


def form_field(path: str) -> str:
    """Turn a path of the terms into the name of the form field it is about.

    >>> form_field("phases[0].items[1].model.tiers[0].up_to")
    'phases-0-lines-1-tiers-0-up_to'
    >>> form_field("phases[1].end_on"), form_field("phases[0].minimum.amount")
    ('phases-1-months', 'phases-0-minimum_amount')
    """
    name = path.replace(".items[", ".lines[").replace(".model.", ".")
    at, dot, rest = name.partition(".modifiers.")
    if not dot and (found := _MODIFIED.fullmatch(name)):
        at, dot, rest = found[1], ".", found[2]
    if dot:
        field, row = charging.modifier_place(rest)
        name = f"{at}.{field}" if row is None else f"{at}.discounts[{row}].{field}"
    name = re.sub(r"\.discounts\[[0-9]+\]\.percent$", ".discount_percent", name)
    name = name.replace(".minimum.", ".minimum_").replace(".end_on", ".months")
    return re.sub(r"\[([0-9]+)\]", r"-\1", name).replace(".", "-")


def _catalog(state: DraftState) -> tuple[dict[str, Product], dict[str, PriceVersion]]:
    lines = [line.values for phase in state.phases for line in phase.lines]
    codes = {values.get("product", "")[:60].replace("\x00", "") for values in lines}
    ids = {id for values in lines if (id := _uuid(values.get("price_version", "")))}
    products = {row.code: row for row in Product.objects.filter(code__in=codes)} if codes else {}
    versions = PriceVersion.objects.filter(id__in=ids).select_related("price") if ids else ()
    return products, {str(row.id): row for row in versions}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# --- From what is stored, and from the catalog --------------------------------------------------


def state_of(version: QuoteVersion) -> DraftState:
    """Return a stored draft as the form would hold it."""
    values = {name: _typed(getattr(version, name, "")) for name in HEADER}
    values["title"] = version.quote.title
    values["legal_entity"] = str(version.legal_entity_id)
    values["priced_in"] = version.currency
    phases = []
    for phase in version.phases.order_by("position").prefetch_related("lines__product"):
        row = {
            name: _typed(getattr(phase, name))
            for name in ("name", "kind", "months", "minimum_frequency", "discount_label")
        }
        row["minimum_amount"] = _number(phase.minimum_amount)
        row["discount_percent"] = _number(phase.discount_percent or None)
        lines: Iterable[QuoteLine] = sorted(phase.lines.all(), key=lambda line: line.position)
        phases.append(PhaseState(row, [_line_state(line) for line in lines]))
    return DraftState(values, phases)


def _line_state(line: QuoteLine) -> LineState:
    state = model_state(line.model, line.modifiers)
    state.values |= {
        "product": line.product.code,
        "price_version": str(line.price_version_id or ""),
        "item_key": line.item_key,
        "meter_key": line.meter_key,
        "proration": line.proration,
        "description": line.description,
        "quantity": _number(line.quantity),
        "expected_quantity": _number(line.expected_quantity),
        "frequency": line.frequency,
        "timing": line.timing,
        "discount_percent": _number(line.discount_percent or None),
        "term_discount_mode": line.term_discount_mode,
        "term_discount_percent": _number(line.term_discount_percent or None),
        "term_discount_label": line.term_discount_label,
        "choice": _choice(line),
        "choice_group": line.choice_group,
    }
    return state


def _choice(line: QuoteLine) -> str:
    if not line.is_optional:
        return ""
    return "chosen" if line.is_chosen else "offered"


def model_state(model: Any, modifiers: Any = None) -> LineState:
    """Return the fields of a price; a charge model the fields cannot hold is kept as it is."""
    typed = charging.typed_model(model)
    beside = charging.typed_modifiers(modifiers)
    # A box that is not ticked is not posted, so only the ticked ones are there.
    said = {name: value for name, value in beside.values.items() if value}
    if typed is None:
        return LineState({**said, "model": AS_IS, "raw": json.dumps(model)}, [], beside.rows)
    flags = ("at_least_one", "flat_fee_at_zero", "whole_only")
    own = {name: value for name, value in typed.values.items() if value or name not in flags}
    name = model["model"]
    values = {**said, **own, "model": name, "shown": charging.layout_of(name, own)}
    return LineState(values, typed.rows, beside.rows)


def line_from_price(version: PriceVersion) -> LineState:
    """Start a line from a list price."""
    price = version.price
    state = model_state(version.model, version.modifiers)
    state.values |= {
        "product": price.product.code,
        "price_version": str(version.id),
        "meter_key": price.meter.key if price.meter else "",
        "proration": price.proration,
        "quantity": "1",
        "frequency": price.frequency,
        "timing": price.timing,
    }
    return state


def line_from_product(product: Product) -> LineState:
    """Start a line with a price of its own, off the list."""
    model = "per_unit" if product.kind == "seat" else "flat"
    values: Values = {"product": product.code, "model": model, "quantity": "1"}
    once = product.recognition == Product.Recognition.POINT_IN_TIME
    values |= {"frequency": "one_time" if once else "monthly", "timing": "in_advance"}
    return LineState(values)


def fit_rows(state: DraftState) -> None:
    """Give a line that was just switched to another model its first row, and the usual flag."""
    for phase in state.phases:
        for line in phase.lines:
            model, values = line.values.get("model", ""), line.values
            layout, shown = charging.layout_of(model, values), values.get("shown", "")
            if shown and charging.row_family(shown) != charging.row_family(layout):
                line.tiers = []
                if any(
                    spec.name == "flat_fee_at_zero" for spec in charging.fields_of(model, values)
                ):
                    values["flat_fee_at_zero"] = "on"
            values["shown"] = layout
            if charging.columns_of(model, values) and not line.tiers:
                line.tiers.append({})


def _typed(value: Any) -> str:
    if value is None or value is False:
        return ""
    return "on" if value is True else str(value)


def _number(value: Any) -> str:
    return "" if value is None else plain(value)
