"""How a contract's tax is said, to its customer and to us. Pure."""

from monetization.kernel.decimals import plain
from monetization.pricing.terms import TaxShare, TaxTerms


def tax_words(tax: TaxTerms | None) -> str:
    """Say how the customer is taxed; empty where no tax is known.

    >>> from decimal import Decimal
    >>> vat = TaxShare("VAT", Decimal(19), "taxable", Decimal(100), Decimal(19), ("Platform",))
    >>> book = TaxShare("VAT", Decimal(7), "taxable", Decimal(100), Decimal(7), ("Handbook",))
    >>> tax_words(TaxTerms("taxable", (vat,)))
    'VAT 19%, added to the prices'
    >>> tax_words(TaxTerms("taxable", (vat, book), is_included=True))
    'VAT 19% on Platform and VAT 7% on Handbook, contained in the prices'
    >>> tax_words(TaxTerms("reverse_charge", (), customer_tax_id="FR40303265045"))
    'Reverse charge: the customer accounts for the tax (tax ID FR40303265045)'
    """
    if tax is None:
        return ""
    if tax.treatment == "reverse_charge":
        known = f" (tax ID {tax.customer_tax_id})" if tax.customer_tax_id else ""
        return f"Reverse charge: the customer accounts for the tax{known}"
    if tax.treatment == "exempt":
        return "The customer is exempt from tax"
    said = [share for share in tax.shares if share.percent or share.treatment != "taxable"]
    if not said:
        return ""
    is_mixed = len(tax.shares) > 1
    words = [share_words(share, of=is_mixed) for share in said]
    joined = " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    if not tax.charged:
        return joined
    return f"{joined}, {'contained in' if tax.is_included else 'added to'} the prices"


def share_words(share: TaxShare, *, of: bool = False) -> str:
    """Say one tax: "VAT 19%", and on what where there are several."""
    on = f" on {', '.join(share.products)}" if of and share.products else ""
    if share.treatment == "reverse_charge":
        return f"reverse charge{on}"
    if share.treatment == "exempt":
        return f"exempt{on}"
    return f"{share.name} {plain(share.percent)}%{on}"
