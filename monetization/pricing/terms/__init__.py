"""What was agreed: the one structure that quotes sign, billing bills and revenue recognizes."""

from monetization.pricing.terms.codec import (
    canonical_json,
    terms_from_data,
    terms_hash,
    terms_to_data,
)
from monetization.pricing.terms.cutting import terms_until
from monetization.pricing.terms.model import (
    ACCUMULATIONS,
    CHANGE_RULES,
    KINDS,
    OVERAGE_SUFFIX,
    PHASE_KINDS,
    RECOGNITIONS,
    TIMINGS,
    CapTerms,
    ChangeTerms,
    DiscountTerms,
    IncludedTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
    PricingUnit,
)
from monetization.pricing.terms.parties import SellerTerms, TaxShare, TaxTerms

__all__ = [
    "ACCUMULATIONS",
    "CHANGE_RULES",
    "KINDS",
    "OVERAGE_SUFFIX",
    "PHASE_KINDS",
    "RECOGNITIONS",
    "TIMINGS",
    "CapTerms",
    "ChangeTerms",
    "DiscountTerms",
    "IncludedTerms",
    "ItemTerms",
    "MinimumTerms",
    "OrderTerms",
    "PhaseTerms",
    "PricingUnit",
    "SellerTerms",
    "TaxShare",
    "TaxTerms",
    "canonical_json",
    "terms_from_data",
    "terms_hash",
    "terms_to_data",
    "terms_until",
]
