"""Why the lines of a contract cannot be taken apart, in words. Pure."""

from collections.abc import Iterable

from monetization.kernel.decimals import plain
from monetization.pricing.prices import PercentOf
from monetization.pricing.terms import OrderTerms, PhaseTerms
from monetization.pricing.terms.model import CapTerms, MinimumTerms


def why_together(terms: OrderTerms) -> list[str]:
    """Return what in a contract looks at several lines or invoices at once; nothing if none does.

    A minimum, a cap and tiers that run on are computed from all lines they cover, a percentage
    from the lines beside it: on two invoices each would be computed from a part of them.
    """
    names = {item.key: item.product_name for phase in terms.phases for item in phase.items}
    found = [
        _commitment(each, terms.currency, names)
        for each in (*terms.minimums, *terms.caps, *_of_phases(terms.phases))
    ]
    for phase in terms.phases:
        for item in phase.items:
            if item.accumulation != "per_period":
                found.append(f"the tiers of {item.product_name} run on over several invoices")
            if isinstance(item.model, PercentOf):
                found.append(f"{item.product_name} is a percentage of other lines")
    return list(dict.fromkeys(found))


def _of_phases(phases: Iterable[PhaseTerms]) -> Iterable[MinimumTerms | CapTerms]:
    for phase in phases:
        if phase.minimum is not None:
            yield phase.minimum
        yield from phase.further_minimums
        yield from phase.caps


def _commitment(terms: MinimumTerms | CapTerms, currency: str, names: dict[str, str]) -> str:
    kind = "minimum" if isinstance(terms, MinimumTerms) else "cap"
    over = "all its lines" if terms.includes_fixed else "its usage"
    if terms.item_keys is not None:
        over = _listed([names.get(key, key) for key in terms.item_keys])
    return f"a {kind} of {plain(terms.amount)} {currency} covers {over}"


def _listed(names: list[str]) -> str:
    kept = names[:3]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(kept)}{more}"
