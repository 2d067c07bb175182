"""Every number of docs/pricing.md is what the engine computes."""

import pytest

from monetization.pricing.codec import MODEL_NAMES
from tests.unit.pricing.documented import RUNNERS, examples

EXAMPLES = examples()


@pytest.mark.parametrize(
    ("kind", "fields"), [pytest.param(kind, fields, id=name) for name, kind, fields in EXAMPLES]
)
def test_the_page_says_what_the_engine_computes(kind: str, fields: dict[str, str]) -> None:
    RUNNERS[kind](fields)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_charge_model_is_explained_with_a_number(name: str) -> None:
    assert any(f'"{name}"' in value for _, _, fields in EXAMPLES for value in fields.values())
