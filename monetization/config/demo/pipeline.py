"""Quotes that are still under way, in every state a quote can be in."""

from datetime import date, datetime, timedelta
from random import Random

from monetization.catalog.models import Price
from monetization.config.demo.contracts import deal_for
from monetization.config.demo.customers import Company
from monetization.config.demo.history import add_customer
from monetization.documents.services import PdfUnavailable
from monetization.tenancy.models import LegalEntity
from quotes import services
from quotes.ports import OWN_LINK, signature_method

_STATES = (
    "draft",
    "draft",
    "sent",
    "sent_elsewhere",
    "viewed",
    "declined",
    "expired",
    "signed",
    "revised",
)


def open_quotes(
    prospects: list[Company],
    entities: dict[str, LegalEntity],
    prices: dict[str, Price],
    now: datetime,
    random: Random,
) -> str:
    """Make one quote per prospect; returns a sentence if documents cannot be made here."""
    start = (now.date().replace(day=1) + timedelta(days=62)).replace(day=1)
    for index, (company, state) in enumerate(zip(prospects, _STATES, strict=False)):
        made = now - timedelta(days=12 - index)
        customer = add_customer(company, 500 + index, entities, made)
        deal = deal_for(index * 3, company, prices, start, random)
        quote = services.create_quote(
            customer_id=customer.id, title=deal.title, start_on=start, now=made
        )
        version = quote.versions.get()
        payload = {**deal.payload, "start_on": start.isoformat(), "introduction": _HELLO}
        services.save_draft(version_id=version.id, payload=payload)
        try:
            _bring_to(state, version.id, quote.id, company, made, now.date())
        except PdfUnavailable as refusal:
            return str(refusal)
    return ""


_HELLO = "Thank you for the good conversations. This order form is what we agreed on."


def _bring_to(
    state: str, version_id: object, quote_id: object, company: Company, made: datetime, today: date
) -> None:
    if state == "draft":
        return
    if state == "expired":
        yesterday = {"expires_on": (today - timedelta(days=1)).isoformat()}
        services.save_draft(version_id=version_id, payload=yesterday)  # type: ignore[arg-type]
    if state == "sent_elsewhere":
        by_mail = signature_method("dropbox_sign")
        method = by_mail.key if by_mail and by_mail.is_available() else OWN_LINK
        services.send_version(
            version_id=version_id,  # type: ignore[arg-type]
            now=made,
            signature_method=method,
        )
        return
    address = services.send_version(version_id=version_id, now=made)  # type: ignore[arg-type]
    token = address.rpartition("/")[2]
    later = made + timedelta(hours=3)
    if state in ("viewed", "signed", "declined"):
        link = services.valid_link(token=token, now=later)
        services.record_view(link_id=link.id, now=later)
    if state == "signed":
        services.sign_version(
            token=token,
            name=company.contact,
            email=company.email,
            title="VP Finance",
            consent=True,
            ip_address="203.0.113.24",
            user_agent="Mozilla/5.0",
            now=later,
        )
    elif state == "declined":
        services.decline_version(token=token, reason="The budget moved to next year.", now=later)
    elif state == "expired":
        services.expire_versions(today=today, now=later)
    elif state == "revised":
        services.revise_quote(quote_id=quote_id, now=later)  # type: ignore[arg-type]
