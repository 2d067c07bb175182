"""Terms that end before their time."""

from dataclasses import replace
from datetime import date

from monetization.pricing.terms.model import OrderTerms


def terms_until(terms: OrderTerms, end: date) -> OrderTerms:
    """Return the terms as they stand if the contract ends on a day: later phases fall away.

    :param end: exclusive; after the start.
    :raises ValueError: if nothing would be left.
    """
    if end <= terms.start_on:
        raise ValueError(f"end: must be after {terms.start_on}")
    if terms.end_on is not None and end >= terms.end_on:
        return terms
    phases = tuple(
        phase if phase.end_on is not None and phase.end_on <= end else replace(phase, end_on=end)
        for phase in terms.phases
        if phase.start_on < end
    )
    return replace(terms, phases=phases, end_on=end)
