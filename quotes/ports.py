"""What quoting needs from somebody else's signature service, in our words.

``integrations`` registers what it can do when it starts; a quote only keeps the method's key.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
