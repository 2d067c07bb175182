"""What a version holds, as ``save_draft`` takes it."""

import json
from typing import Any

from monetization.kernel.decimals import plain
from quotes.models import QuoteLine, QuotePhase, QuoteVersion
from quotes.selectors import phases_of

_OFFER = (
    "anchor_day",
    "payment_terms_days",
    "auto_renew",
    "introduction",
    "special_terms",
    "renewal_months",
    "renewal_notice_days",
    "asks_email_code",
)
_PARTIES = (
    "time_zone",
    "purchase_order",
    "signer_name",
    "signer_email",
    "further_signers",
    "change_rule",
)
_LINE = (
    "item_key",
    "description",
    "model",
    "modifiers",
    "meter_key",
    "frequency",
    "timing",
    "proration",
    "is_optional",
    "is_chosen",
    "choice_group",
    "term_discount_mode",
    "term_discount_label",
)


def payload_of(version: QuoteVersion) -> dict[str, Any]:
    """Return what a version offers: not its customer, dates and signers."""
    payload: dict[str, Any] = {name: getattr(version, name) for name in _OFFER}
    payload["renewal_uplift_percent"] = plain(version.renewal_uplift_percent)
    payload["phases"] = [_phase(phase) for phase in phases_of(version)]
    return payload


def whole_payload(version: QuoteVersion) -> dict[str, Any]:
    """Return everything a draft's builder and its pages can change, as plain JSON."""
    payload = payload_of(version) | {name: getattr(version, name) for name in _PARTIES}
    payload["title"] = version.quote.title
    payload["legal_entity"] = str(version.legal_entity_id)
    payload["currency"] = version.currency
    payload["start_on"] = version.start_on.isoformat()
    payload["expires_on"] = version.expires_on.isoformat()
    found: dict[str, Any] = json.loads(json.dumps(payload))
    return found


def _phase(phase: QuotePhase) -> dict[str, Any]:
    return {
        "name": phase.name,
        "kind": phase.kind,
        "months": phase.months,
        "minimum_amount": _number(phase.minimum_amount),
        "minimum_frequency": phase.minimum_frequency,
        "discount_percent": plain(phase.discount_percent),
        "discount_label": phase.discount_label,
        "lines": [_line(line) for line in phase.lines.all()],
    }


def _line(line: QuoteLine) -> dict[str, Any]:
    return {
        **{name: getattr(line, name) for name in _LINE},
        "product": line.product.code,
        "price_version": str(line.price_version_id) if line.price_version_id else None,
        "quantity": _number(line.quantity),
        "expected_quantity": _number(line.expected_quantity),
        "discount_percent": plain(line.discount_percent),
        "term_discount_percent": plain(line.term_discount_percent),
    }


def _number(value: Any) -> str | None:
    return None if value is None else plain(value)
