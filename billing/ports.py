"""What billing needs from somebody else's payment service, in our words.

``integrations`` registers what it can do when it starts; billing only knows an address.
"""

from collections.abc import Callable

from billing.models import Invoice

PaymentLink = Callable[[Invoice], str]
PaymentNotes = Callable[[Invoice], list[str]]

_links: list[PaymentLink] = []
_notes: list[PaymentNotes] = []


def register_payment_link(link: PaymentLink) -> None:
    """Offer to pay invoices online; the address is empty where the tenant cannot take money so."""
    if link not in _links:
        _links.append(link)


def payment_link(invoice: Invoice) -> str:
    """Return where the customer pays an issued invoice online; empty if nowhere."""
    if invoice.status != Invoice.Status.ISSUED:
        return ""
    return next((address for link in _links if (address := link(invoice))), "")


def register_payment_notes(notes: PaymentNotes) -> None:
    """Say what is to be known of an invoice's payments elsewhere, a sentence each."""
    if notes not in _notes:
        _notes.append(notes)


def payment_notes(invoice: Invoice) -> list[str]:
    """Return what is to be known of an issued invoice's payments elsewhere: disputes."""
    if invoice.status != Invoice.Status.ISSUED:
        return []
    return [sentence for notes in _notes for sentence in notes(invoice)]
