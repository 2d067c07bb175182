"""The numbers of a price as a form: the fields of its charge model, and rows of tiers.

Adding and removing a row are submit buttons, so that the form works without scripts.
"""

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from monetization.interface.forms import ExactNumberField, PageForm, sentence
from monetization.kernel.decimals import plain
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import PriceError

MODELS = (
    ("flat", "Flat: an amount per period"),
    ("per_unit", "Per unit: quantity × unit price"),
    ("graduated", "Graduated: each slice at its own tier"),
    ("volume", "Volume: the whole quantity at the tier it reaches"),
    ("stair_step", "Stair step: the tier's fee only"),
    ("package", "Package: started packages of a fixed size"),
)
TIERED = ("graduated", "volume", "stair_step")
MAX_TIERS = 40
_FIELDS = {
    "flat": ("amount",),
    "per_unit": ("unit_price",),
    "graduated": ("flat_fee_at_zero",),
    "volume": ("flat_fee_at_zero",),
    "stair_step": ("flat_fee_at_zero",),
    "package": ("size", "package_price", "free_units", "at_least_one", "whole_only"),
}
_TIER_FIELD = re.compile(r"tiers\[(\d+)\]\.(\w+): (.*)", re.DOTALL)


class ModelForm(PageForm):
    """The charge model and its numbers, without tiers."""

    model = forms.ChoiceField(choices=MODELS, label="Charge model")
    amount = ExactNumberField(label="Amount per period")
    unit_price = ExactNumberField(label="Price per unit")
    size = ExactNumberField(label="Units in a package", above_zero=True)
    package_price = ExactNumberField(label="Price per package")
    free_units = ExactNumberField(label="Free units", required=False)
    at_least_one = forms.BooleanField(
        label="At least one package, without usage too", required=False
    )
    whole_only = forms.BooleanField(label="Only full packages are charged", required=False)
    flat_fee_at_zero = forms.BooleanField(
        label="The first tier's fee is due without usage too", required=False, initial=True
    )

    def __init__(self, *args: Any, chosen: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in list(self.fields):
            if name != "model" and name not in _FIELDS[chosen]:
                del self.fields[name]


class TierForm(PageForm):
    """One tier."""

    up_to = ExactNumberField(required=False, whole=15, label="Up to, included")
    unit_price = ExactNumberField(required=False, label="Price per unit")
    flat_fee = ExactNumberField(required=False, label="Flat fee")
    block_size = ExactNumberField(required=False, label="In blocks of", above_zero=True)


class ChargeForm:
    """Everything a person says about how a price charges."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, initial: Any = None) -> None:
        """Read what was sent, else start from a charge model as data."""
        self.is_bound = data is not None
        start = initial or {"model": "flat"}
        sent = dict(data.items()) if data is not None else _as_sent(start)
        chosen = str(sent.get("model", ""))
        self.chosen = chosen if chosen in _FIELDS else "flat"
        self.shown = str(sent.get("shown_model", chosen))
        self.action = str(sent.get("action", "save"))
        if self.wants_saving and not self.shown == chosen == self.chosen:
            self.action = "refresh"  # the numbers on the page were those of another model
        self._rows = _rows(sent)
        self._change_rows()
        self._sent = sent
        self.model, self.tiers = self._forms(bound=self.is_bound and self.wants_saving)
        self.value: dict[str, Any] = {}

    @property
    def wants_saving(self) -> bool:
        """Return whether this is the end, not another row or another model."""
        return self.action == "save"

    @property
    def is_tiered(self) -> bool:
        return self.chosen in TIERED

    @property
    def has_unit_price(self) -> bool:
        return self.chosen != "stair_step"

    @property
    def can_add(self) -> bool:
        return len(self._rows) < MAX_TIERS

    @property
    def tier_count(self) -> int:
        return len(self.tiers)

    def _change_rows(self) -> None:
        if self.action == "add-tier" and self.can_add:
            self._rows.append({})
        elif self.action.startswith("remove-tier-"):
            number = self.action.removeprefix("remove-tier-")
            if number.isascii() and number.isdigit() and len(self._rows) > 1:
                self._rows = [row for at, row in enumerate(self._rows) if str(at) != number]
        if not self._rows:
            self._rows = [{}, {}]

    def _forms(self, *, bound: bool) -> tuple[ModelForm, list[TierForm]]:
        named = dict(self._sent, model=self.chosen)
        if bound:
            model = ModelForm(named, chosen=self.chosen)
        else:
            for flag in ("at_least_one", "whole_only"):
                named[flag] = bool(self._sent.get(flag))
            if self.is_bound and self.shown in TIERED:
                named["flat_fee_at_zero"] = bool(self._sent.get("flat_fee_at_zero"))
            else:
                named["flat_fee_at_zero"] = self._sent.get("flat_fee_at_zero", True)
            model = ModelForm(initial=named, chosen=self.chosen)
        tiers = []
        for number, row in enumerate(self._rows if self.is_tiered else ()):
            sent = {f"tiers-{number}-{name}": value for name, value in row.items()}
            prefix = f"tiers-{number}"
            tiers.append(
                TierForm(sent, prefix=prefix) if bound else TierForm(prefix=prefix, initial=row)
            )
        return model, tiers

    def is_valid(self) -> bool:
        """Check everything; ``value`` is then the charge model as data."""
        valid = [self.model.is_valid(), *(tier.is_valid() for tier in self.tiers)]
        if not all(valid):
            return False
        self.value = self._data()
        try:
            price_from_data(self.value)
        except PriceError as error:
            self._refuse(str(error))
            return False
        return True

    def _data(self) -> dict[str, Any]:
        cleaned = self.model.cleaned_data
        data: dict[str, Any] = {"model": self.chosen}
        for name in _FIELDS[self.chosen]:
            value = cleaned[name]
            if isinstance(value, bool):
                data[name] = value
            elif value is not None:
                data[name] = plain(value)
        if self.is_tiered:
            data["tiers"] = [_tier_data(tier.cleaned_data) for tier in self.tiers]
        return data

    def _refuse(self, message: str) -> None:
        found = _TIER_FIELD.fullmatch(message)
        if found is None:
            self.model.refuse(PriceError(message))
            return
        number, field, reason = int(found[1]), found[2], found[3]
        if "must be unbounded" in reason:
            reason = "leave it empty: the last tier has no upper bound"
        elif "only the last tier" in reason:
            reason = "say where the tier ends; only the last one is open"
        self.tiers[number].add_error(field, sentence(reason))


def is_editable(model: Mapping[str, Any]) -> bool:
    """Return whether the form has every field of a charge model; the others come by the API."""
    return model.get("model") in _FIELDS


def _tier_data(cleaned: dict[str, Any]) -> dict[str, Any]:
    block = cleaned.get("block_size")
    return {
        "up_to": None if cleaned["up_to"] is None else plain(cleaned["up_to"]),
        "unit_price": plain(cleaned["unit_price"]) if cleaned["unit_price"] is not None else "0",
        "flat_fee": plain(cleaned["flat_fee"]) if cleaned["flat_fee"] is not None else "0",
        **({} if block is None else {"block_size": plain(block)}),
    }


def _as_sent(model: Mapping[str, Any]) -> dict[str, Any]:
    """Write a charge model as a browser would send it."""
    sent = {name: value for name, value in model.items() if name != "tiers"}
    for number, tier in enumerate(model.get("tiers", ())):
        sent |= {f"tiers-{number}-{name}": value for name, value in tier.items()}
    return sent


def _rows(sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of tiers in order; the numbers in their names may have gaps."""
    rows: dict[int, dict[str, Any]] = {}
    for name, value in sent.items():
        found = re.fullmatch(r"tiers-([0-9]{1,3})-(up_to|unit_price|flat_fee|block_size)", name)
        if found:
            rows.setdefault(int(found[1]), {})[found[2]] = value
    return [rows[number] for number in sorted(rows)][:MAX_TIERS]
