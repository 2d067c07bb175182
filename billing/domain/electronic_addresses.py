"""Electronic addresses (EAS) people commonly have, IBANs, and their check digits. Pure.

Source: Peppol policy for use of identifiers; rules PEPPOL-COMMON-R040, R041 and R043.
"""

from collections.abc import Callable

SCHEMES = {
    "0088": "GLN",
    "0060": "DUNS",
    "0002": "France, SIRENE",
    "0009": "France, SIRET",
    "0225": "France, electronic address",
    "0204": "Germany, Leitweg-ID",
    "0106": "Netherlands, KvK",
    "0190": "Netherlands, OIN",
    "0208": "Belgium, enterprise number",
    "0184": "Denmark, CVR",
    "0192": "Norway, organisation number",
    "0007": "Sweden, organisation number",
    "0216": "Finland, OVT",
    "0151": "Australia, ABN",
    "0195": "Singapore, UEN",
    "0199": "LEI",
    "9930": "Germany, VAT",
    "9957": "France, VAT",
    "9944": "Netherlands, VAT",
    "9925": "Belgium, VAT",
    "9914": "Austria, VAT",
    "9920": "Spain, VAT",
    "9906": "Italy, VAT",
    "9932": "United Kingdom, VAT",
    "9938": "Luxembourg, VAT",
    "9945": "Poland, VAT",
    "EM": "E-mail",
}


def wrong_endpoint(scheme: str, value: str) -> str:
    """Say what is wrong with an address of a scheme; nothing if it can be right.

    >>> wrong_endpoint("0088", "7300010000001")
    ''
    >>> wrong_endpoint("0088", "7300010000002")
    'the check digit of the GLN is wrong'
    """
    if scheme not in SCHEMES:
        return f"{scheme} is no scheme we know"
    if not value.isascii() or not value.strip():
        return "it has letters that no address has"
    if scheme == "EM":
        return "" if "@" in value else "it is no e-mail address"
    check = _CHECKS.get(scheme)
    if check is not None and not (value.isdigit() and check(value)):
        return f"the check digit of the {SCHEMES[scheme].rpartition(', ')[2]} is wrong"
    return ""


def right_iban(value: str) -> bool:
    """Tell whether an IBAN without blanks has the right check digits (ISO 13616, mod 97).

    >>> right_iban("DE02120300000000202051"), right_iban("DE02120300000000202052")
    (True, False)
    """
    if not (15 <= len(value) <= 34 and value.isascii() and value.isalnum() and value.isupper()):
        return False
    moved = value[4:] + value[:4]
    return int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def _gln(value: str) -> bool:
    weighted = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(reversed(value)))
    return len(value) == 13 and weighted % 10 == 0


def _norwegian(value: str) -> bool:
    if len(value) != 9:
        return False
    weights = (3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(int(d) * w for d, w in zip(value, weights, strict=False)) % 11
    return (11 - rest) % 11 == int(value[8])


def _belgian(value: str) -> bool:
    return len(value) == 10 and 97 - int(value[:8]) % 97 == int(value[8:])


_CHECKS: dict[str, Callable[[str], bool]] = {"0088": _gln, "0192": _norwegian, "0208": _belgian}
