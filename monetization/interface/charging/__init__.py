"""Prices as people fill them in: which fields each charge model has, and what they mean.

The catalog and the quote builder share this, so that a price reads alike wherever it is
written. Everything typed is text; nothing here computes an amount.
"""

from monetization.interface.charging.fields import (
    DISCOUNT_COLUMNS,
    DISCOUNT_NAMES,
    LAYOUT_FIELDS,
    LINE_NAMES,
    MODELS,
    ROW_NAMES,
    Spec,
    columns_of,
    fields_of,
    has_rows,
    labels,
    layout_of,
    models_for,
    modifier_fields,
    modifier_groups,
    row_family,
    row_word,
)
from monetization.interface.charging.models import (
    Typed,
    TypedWrong,
    model_from_typed,
    place_of,
    typed_model,
)
from monetization.interface.charging.modifiers import (
    modifier_place,
    modifiers_from_typed,
    typed_modifiers,
)

__all__ = [
    "DISCOUNT_COLUMNS",
    "DISCOUNT_NAMES",
    "LAYOUT_FIELDS",
    "LINE_NAMES",
    "MODELS",
    "ROW_NAMES",
    "Spec",
    "Typed",
    "TypedWrong",
    "columns_of",
    "fields_of",
    "has_rows",
    "labels",
    "layout_of",
    "model_from_typed",
    "models_for",
    "modifier_fields",
    "modifier_groups",
    "modifier_place",
    "modifiers_from_typed",
    "place_of",
    "row_family",
    "row_word",
    "typed_model",
    "typed_modifiers",
]
