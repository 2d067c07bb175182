"""Read how a draft is agreed and goes on: further signers, e-mail code, renewal, change rule."""

from decimal import Decimal
from typing import Any

from monetization.pricing.prices import PriceError
from monetization.pricing.terms import CHANGE_RULES
from quotes.domain.assembly import number
from quotes.models import QuoteVersion, Signer

MOST_SIGNERS = 10


def read_into(version: QuoteVersion, payload: dict[str, Any]) -> None:
    """Put what a draft's payload says on the version; what it leaves out stays.

    :raises PriceError: naming the field.
    """
    if "further_signers" in payload:
        version.further_signers = _signers(payload["further_signers"] or [])
    if "asks_email_code" in payload:
        version.asks_email_code = bool(payload["asks_email_code"])
    if "change_rule" in payload:
        rule = str(payload["change_rule"] or "")
        if rule and rule not in CHANGE_RULES:
            raise PriceError(f"change_rule: must be one of {', '.join(CHANGE_RULES)}")
        version.change_rule = rule
    for name, low, high in (("renewal_months", 1, 120), ("renewal_notice_days", 0, 365)):
        if name in payload:
            setattr(version, name, _whole(payload[name], name, low, high))
    if "renewal_uplift_percent" in payload:
        name = "renewal_uplift_percent"
        version.renewal_uplift_percent = _uplift(number(payload[name], name), name)


def _whole(value: Any, name: str, low: int, high: int) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not low <= int(text[:6]) <= high:
        raise PriceError(f"{name}: must be a whole number from {low} to {high}")
    return int(text)


def _uplift(percent: Decimal | None, name: str) -> Decimal:
    if percent is None:
        return Decimal(0)
    if percent > 100:
        raise PriceError(f"{name}: must be from 0 to 100")
    if percent != percent.quantize(Decimal("1e-6")):
        raise PriceError(f"{name}: must have at most 6 decimal places")
    return percent


def _signers(rows: Any) -> list[dict[str, str]]:
    if not isinstance(rows, list) or len(rows) > MOST_SIGNERS:
        raise PriceError(f"further_signers: must be a list of at most {MOST_SIGNERS} people")
    found = []
    for position, row in enumerate(rows):
        path = f"further_signers[{position}]"
        name, email = str(row.get("name") or "").strip(), str(row.get("email") or "").strip()
        side = str(row.get("side") or Signer.Side.CUSTOMER)
        if not name or len(name) > 200:
            raise PriceError(f"{path}.name: is needed, at most 200 characters")
        if "@" not in email or len(email) > 254 or any(char.isspace() for char in email):
            raise PriceError(f"{path}.email: must be an e-mail address")
        if side not in Signer.Side.values:
            raise PriceError(f"{path}.side: must be customer or seller")
        found.append({"name": name, "email": email, "side": side})
    return found
