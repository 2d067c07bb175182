"""What quoting needs from those above it, in its own words; they register when they start.

``integrations`` says how an order form can be signed, a quote only keeps the method's key;
``billing`` says what tax its first invoice will have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monetization.pricing.estimate import PricedLine
from monetization.pricing.terms import OrderTerms, TaxTerms
from quotes.models import QuoteVersion

OWN_LINK = "link"


@dataclass(frozen=True, slots=True)
class SignatureMethod:
    """A way in which an order form gets signed.

    :param key: kept on the version that was sent.
    :param invites_signer: the service writes to the signer itself; else we mail our link.
    :param takes_several: whether further signers can sign after the first.
    :param is_available: whether this tenant can use it now.
    :param page_name: URL name of the page where the signer signs, given our link's token.
    """

    key: str
    name: str
    explanation: str
    invites_signer: bool = False
    takes_several: bool = True
    is_available: Callable[[], bool] = lambda: True
    page_name: str = ""


_OURS = SignatureMethod(
    OWN_LINK, "Our signing page", "The signer gets a mail with the PDF and a link to sign."
)
_methods: dict[str, SignatureMethod] = {OWN_LINK: _OURS}


def register_signature_method(method: SignatureMethod) -> None:
    """Offer another way to sign; again replaces it."""
    _methods[method.key] = method


def signature_method(key: str) -> SignatureMethod | None:
    return _methods.get(key)


def available_methods() -> list[SignatureMethod]:
    """Return what the bound tenant can choose from, our own page first."""
    return [method for method in _methods.values() if method.is_available()]


# Given a version, its terms and the lines of its first invoice, which may be none.
TaxEstimator = Callable[[QuoteVersion, OrderTerms, Sequence[PricedLine]], TaxTerms]
_estimators: list[TaxEstimator] = []


def register_tax_estimator(estimator: TaxEstimator) -> None:
    """Say what tax a quote's first invoice will have; again replaces it."""
    _estimators[:] = [estimator]


def estimated_tax(
    version: QuoteVersion, terms: OrderTerms, lines: Sequence[PricedLine]
) -> TaxTerms | None:
    """Return the tax of a quote's first invoice; None where nothing bills it."""
    return next((estimator(version, terms, lines) for estimator in _estimators), None)
