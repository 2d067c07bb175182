"""Write XML elements in order, leaving out what is empty. Pure."""

import re
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

# What XML 1.0 cannot carry at all, however it is escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    r"""Return text that XML can carry.

    >>> clean("Acme\x0b & Co")
    'Acme & Co'
    """
    return _FORBIDDEN.sub("", text).strip()


def put(parent: Element, tag: str, text: str = "", **attributes: str) -> None:
    """Append an element with text; nothing where the text is empty (no element may be)."""
    value = clean(text)
    if value:
        SubElement(parent, tag, attributes).text = value


def into(parent: Element, path: str) -> Element:
    """Append nested elements and return the innermost: ``cac:Party/cac:Contact``."""
    for tag in path.split("/"):
        parent = SubElement(parent, tag)
    return parent


def amount(value: Decimal, places: int) -> str:
    """Write an amount with its currency's decimals, at most two (BR-DEC)."""
    return f"{value:.{min(places, 2)}f}"


def number(value: Decimal) -> str:
    """Write a quantity or price exactly, without an exponent or trailing zeros.

    >>> number(Decimal("1.500"))
    '1.5'
    >>> number(Decimal("1E+3"))
    '1000'
    """
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(root: Element) -> bytes:
    """Return a document's bytes; the same elements give the same bytes."""
    _prune(root)
    indent(root, "  ")
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _prune(element: Element) -> None:
    for child in list(element):
        _prune(child)
        if not len(child) and not (child.text or "").strip():
            element.remove(child)
