"""The numbers of a price as a form: the fields of its charge model, rows, and what is beside it.

Adding and removing a row are submit buttons, so that the form works without scripts.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from monetization.catalog.web.charge_fields import RowForm, SpecForm, read_values
from monetization.interface import charging
from monetization.interface.charging import Spec, TypedWrong
from monetization.interface.forms import sentence
from monetization.kernel.period import Frequency
from monetization.pricing.codec import price_from_data
from monetization.pricing.estimate import check_price
from monetization.pricing.prices import PriceError
from monetization.pricing.terms.modifiers import modifiers_from_data

MAX_TIERS, MAX_DISCOUNTS = 40, 8
_RHYTHMS = tuple(one.value for one in Frequency)


class ModelForm(SpecForm):
    """The charge model and its numbers, without rows."""

    model = forms.ChoiceField(label="Charge model")

    def __init__(self, *args: Any, kind: str, specs: Sequence[Spec], **kwargs: Any) -> None:
        super().__init__(*args, specs=specs, **kwargs)
        choices: Any = self.fields["model"]
        choices.choices = charging.models_for(kind)


class ChargeForm:
    """Everything a person says about how a price charges."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        kind: str,
        initial: Any = None,
        modifiers: Any = None,
    ) -> None:
        """Read what was sent, else start from a charge model and modifiers as data."""
        self.is_bound, self.kind = data is not None, kind
        sent = dict(data.items()) if data is not None else _as_sent(initial, modifiers)
        known = dict(charging.models_for(kind))
        chosen = str(sent.get("model", ""))
        self.chosen = chosen if chosen in known else next(iter(known))
        self.layout = charging.layout_of(self.chosen, sent)
        self.shown = str(sent.get("shown_model", self.layout))
        self.action = str(sent.get("action", "save"))
        if self.wants_saving and not (self.shown == self.layout and chosen == self.chosen):
            self.action = "refresh"  # the numbers on the page were those of another model
        self._specs = charging.fields_of(self.chosen, sent)
        self._columns = charging.columns_of(self.chosen, sent)
        self._beside = charging.modifier_fields(self.chosen, kind)
        self._rows = _rows(sent, "tiers", MAX_TIERS)
        self._discounts = _rows(sent, "discounts", MAX_DISCOUNTS)
        self._change_rows()
        self._sent = sent
        self._make_forms(bound=self.is_bound and self.wants_saving)
        self.value: dict[str, Any] = {}
        self.modifiers: dict[str, Any] = {}

    @property
    def wants_saving(self) -> bool:
        """Return whether this is the end, not another row or another model."""
        return self.action == "save"

    @property
    def has_rows(self) -> bool:
        return bool(self._columns)

    @property
    def layout_fields(self) -> Sequence[str]:
        return charging.LAYOUT_FIELDS

    @property
    def beside_words(self) -> str:
        """Return what the form offers beside the charge model."""
        words = ["conversion"] if "convert" in self.beside.fields else []
        words += (
            ["included units", "accumulation"] if "included_units" in self.beside.fields else []
        )
        words += ["overage"] if "overage_frequency" in self.beside.fields else []
        text = ", ".join([*words, "discounts", "minimum", "cap", "pricing unit"])
        return f"Beside the price: {text}"

    @property
    def beside_groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields beside the charge model by the group they stand in."""
        groups = charging.modifier_groups(self.chosen, self.kind)
        return [(title, [self.beside[one.name] for one in specs]) for title, specs in groups]

    @property
    def columns(self) -> Sequence[Spec]:
        return self._columns

    @property
    def row_word(self) -> str:
        return charging.row_word(self.chosen)

    @property
    def can_add(self) -> bool:
        return len(self._rows) < MAX_TIERS

    @property
    def can_add_discount(self) -> bool:
        return len(self._discounts) < MAX_DISCOUNTS

    @property
    def tier_count(self) -> int:
        return len(self.tiers)

    @property
    def is_beside_open(self) -> bool:
        """Return whether anything beside the charge model is said, or wrong."""
        said = {name: self.beside[name].value() for name in self.beside.fields}
        usual = ("", None, False, "none", "per_period")
        return bool(self.discounts or self.beside.errors) or any(
            value not in usual for value in said.values()
        )

    def _change_rows(self) -> None:
        verb, _, number = self.action.rpartition("-")
        if charging.row_family(self.shown) != charging.row_family(self.layout):
            self._rows = []  # those on the page were of another model
        if self.action == "add-tier" and self.can_add:
            self._rows.append({})
        elif self.action == "add-discount" and self.can_add_discount:
            self._discounts.append({})
        elif verb == "remove-tier" and len(self._rows) > 1:
            self._rows = [row for at, row in enumerate(self._rows) if str(at) != number]
        elif verb == "remove-discount":
            self._discounts = [row for at, row in enumerate(self._discounts) if str(at) != number]
        if not self._rows:
            self._rows = [{}, {}] if self._columns and self._columns[0].name == "up_to" else [{}]

    def _make_forms(self, *, bound: bool) -> None:
        named = dict(self._sent, model=self.chosen)
        if charging.row_family(self.shown) != charging.row_family(self.layout):
            named.setdefault("flat_fee_at_zero", "on")
        data = named if bound else None
        self.model = ModelForm(data, initial=named, kind=self.kind, specs=self._specs)
        self.beside = SpecForm(data, initial=named, specs=self._beside)
        self.tiers = _row_forms(self._rows if self._columns else [], "tiers", self._columns, bound)
        self.discounts = _row_forms(self._discounts, "discounts", charging.DISCOUNT_COLUMNS, bound)

    def is_valid(self, frequency: str) -> bool:
        """Check everything; ``value`` and ``modifiers`` are then data.

        :param frequency: of the price: what is billed once has no minimum and no cap.
        """
        every = [self.model, self.beside, *self.tiers, *self.discounts]
        valid = [form.is_valid() for form in every]  # each shows what is wrong with it
        if not all(valid):
            return False
        values = read_values(self.model)
        try:
            rows = [read_values(row) for row in self.tiers]
            self.value = charging.model_from_typed(self.chosen, values, rows)
        except TypedWrong as wrong:
            self._refuse(wrong, self.model, self.tiers)
            return False
        try:
            found = [read_values(row) for row in self.discounts]
            self.modifiers = charging.modifiers_from_typed(read_values(self.beside), found)
        except TypedWrong as wrong:
            self._refuse(wrong, self.beside, self.discounts)
            return False
        return self._fits(frequency, values)

    def _fits(self, frequency: str, values: Mapping[str, Any]) -> bool:
        try:
            check_price(
                price_from_data(self.value),
                modifiers_from_data(self.modifiers),
                kind=self.kind,
                frequency=Frequency(frequency) if frequency in _RHYTHMS else Frequency.MONTHLY,
            )
        except PriceError as error:
            path, _, message = str(error).partition(": ")
            if path.startswith("modifiers"):
                wrong = TypedWrong(*_placed(charging.modifier_place(path), message))
                self._refuse(wrong, self.beside, self.discounts)
            else:
                self.model.add_error("model", sentence(message or str(error)))
            return False
        return True

    def _refuse(self, wrong: TypedWrong, form: SpecForm, rows: Sequence[RowForm]) -> None:
        message = sentence(wrong.message)
        at: SpecForm = form
        if wrong.row is not None and wrong.row < len(rows):
            at = rows[wrong.row]
        if wrong.name in at.fields:
            at.add_error(wrong.name, message)
        else:
            self.model.add_error(None, message)


def _placed(place: tuple[str, int | None], message: str) -> tuple[str, str, int | None]:
    return place[0], message, place[1]


def _row_forms(
    rows: Sequence[Mapping[str, Any]],
    prefix: str,
    columns: Sequence[Spec],
    bound: bool,  # noqa: FBT001
) -> list[RowForm]:
    found = []
    for number, row in enumerate(rows):
        at = f"{prefix}-{number}"
        sent = {f"{at}-{name}": value for name, value in row.items()}
        data = sent if bound else None
        found.append(RowForm(data, prefix=at, initial=dict(row), specs=columns))
    return found


def is_editable(model: Mapping[str, Any]) -> bool:
    """Return whether the form can say a charge model exactly; the others come by the API."""
    return charging.typed_model(model) is not None


def _as_sent(model: Any, modifiers: Any) -> dict[str, Any]:
    """Write a price as a browser would send it."""
    sent: dict[str, Any] = {"model": (model or {}).get("model", "")}
    typed = charging.typed_model(model) if model else None
    beside = charging.typed_modifiers(modifiers)
    if typed is None:
        sent["flat_fee_at_zero"] = "on"
    for prefix, one in (("tiers", typed), ("discounts", beside)):
        if one is None:
            continue
        sent |= one.values
        for number, row in enumerate(one.rows):
            sent |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return sent


def _rows(sent: Mapping[str, Any], prefix: str, most: int) -> list[dict[str, Any]]:
    """Return rows in order; the numbers in their names may have gaps."""
    rows: dict[int, dict[str, Any]] = {}
    for name, value in sent.items():
        found = re.fullmatch(rf"{prefix}-([0-9]{{1,3}})-([a-z_0-9]{{1,20}})", name)
        if found:
            rows.setdefault(int(found[1]), {})[found[2]] = value
    return [rows[number] for number in sorted(rows)][:most]
