"""Optional items and alternatives: what the customer may choose before signing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import ItemTerms
from quotes.domain import lifecycle
from quotes.models import QuoteLine, QuoteVersion, Signer, SigningLink
from quotes.ports import signature_method
from quotes.selectors import optional_groups, terms_of_draft, terms_to_sign
from quotes.services.common import announce
from quotes.services.drafting import copy_row, revise_quote
from quotes.services.links import valid_link
from quotes.services.sending import make_document


class OptionsNotOpen(Refusal):
    """Somebody has signed, or the choice is not one that was offered."""


@dataclass(frozen=True, slots=True)
class Option:
    """One item the customer may choose, as it is in the first phase that has it."""

    item: ItemTerms
    group: str  # alternatives share one; exactly one of them is chosen
    is_chosen: bool
    effect: Money  # what it adds to the contract value; less than nothing where it is cheaper


def options_of(version: QuoteVersion) -> list[Option]:
    """Return what is optional in a version, in the order of its lines; nothing while incomplete."""
    groups = optional_groups(version)
    if not groups:
        return []
    chosen = chosen_of(version)
    try:
        everything = terms_of_draft(version, chosen=set(groups))
        value = estimate(terms_of_draft(version, chosen=chosen)).total_contract_value
        found = []
        for key, group in groups.items():
            item = next(one for phase in everything.phases for one in phase.items if one.key == key)
            rivals = {other for other, of in groups.items() if group and of == group}
            with_it = terms_of_draft(version, chosen=(chosen - rivals) | {key})
            effect = estimate(with_it).total_contract_value - value
            if key in chosen and not group:
                without = estimate(terms_of_draft(version, chosen=chosen - {key}))
                effect = value - without.total_contract_value
            found.append(Option(item, group, key in chosen, effect))
    except PriceError:
        return []
    return found


def chosen_of(version: QuoteVersion) -> set[str]:
    """Return the keys of the optional items that are in the offer as it stands."""
    lines = QuoteLine.objects.filter(phase__version=version, is_optional=True, is_chosen=True)
    return set(lines.values_list("item_key", flat=True))


def may_choose(link: SigningLink) -> bool:
    """Say whether who opened a link may still choose: the first signer, before anybody signs."""
    method = signature_method(link.version.signature_method)
    return (
        link.signer is not None
        and link.signer.position == 1
        and method is not None
        and not method.invites_signer
        and link.version.status in ("sent", "viewed")
    )


@transaction.atomic
def choose_options(*, token: str, chosen: Collection[str], now: datetime) -> QuoteVersion:
    """Make the version with the customer's choice, at the same link; the same again is none.

    What was sent never changes: the choice is a version of its own, with terms, a document and
    hashes of its own, and the one before is superseded.

    :param chosen: the keys of all optional items they want.
    :raises SigningLinkInvalid: if the link is not open.
    :raises OptionsNotOpen: saying why the choice is not possible.
    """
    link = valid_link(token=token, now=now, lock=True)
    before: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__customer", "legal_entity")
        .get(id=link.version_id)
    )
    link.version = before
    if not may_choose(link):
        raise OptionsNotOpen("what is optional was chosen by the first signer; ask for a change")
    wanted = _checked(before, set(chosen))
    if wanted == chosen_of(before):
        return before
    links = list(before.links.filter(revoked_at__isnull=True).values_list("id", flat=True))
    signers = list(before.signers.order_by("position"))
    version = revise_quote(quote_id=before.quote_id, now=now)
    lines = QuoteLine.objects.filter(phase__version=version, is_optional=True)
    lines.update(is_chosen=False)
    lines.filter(item_key__in=wanted).update(is_chosen=True)
    version.expires_on = before.expires_on
    make_document(version, terms_to_sign(version))
    version.status = lifecycle.next_state(version.status, "send")
    version.sent_at, version.signature_method = now, before.signature_method
    version.save()
    first, *_ = [copy_row(signer, version=version) for signer in signers]
    SigningLink.objects.filter(id__in=links).update(version=version, signer=first, revoked_at=None)
    if first.status == Signer.Status.VIEWED:
        version.status = lifecycle.next_state(version.status, "view")
        version.save(update_fields=["status"])
    announce(version.quote, version, "quote.chosen", now, by=first.email)
    return version


def _checked(version: QuoteVersion, chosen: set[str]) -> set[str]:
    groups = optional_groups(version)
    if not chosen <= groups.keys():
        raise OptionsNotOpen("the offer has changed; read it again and choose")
    for group in {group for group in groups.values() if group}:
        if len([key for key in chosen if groups[key] == group]) != 1:
            raise OptionsNotOpen(f"choose one of the alternatives for {group}")
    return chosen
