"""Mails in a company's own words: merge fields are looked up, nothing is executed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from monetization.kernel.errors import Refusal

MAX_BODY = 10_000
_FIELD = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")

FIELDS: Mapping[str, str] = {
    "contact_name": "The contact the mail goes to",
    "customer_name": "The customer",
    "seller_name": "Your legal entity",
    "bank_details": "Where customers pay",
    "number": "Number of the invoice or credit note",
    "invoice_number": "The invoice it is about",
    "total": "Total with its currency",
    "open_amount": "What is still to be paid",
    "issued_on": "Date of the document",
    "due_on": "Date it is due",
    "days_late": "How late it is, in words: 3 days",
    "purchase_order": "The customer's purchase order",
    "period": "The time that is billed",
    "payment_link": "Where the customer pays online; empty where that is not set up",
    "reason": "Why it is credited",
}


@dataclass(frozen=True, slots=True)
class MailKind:
    """One kind of mail: what it may say, and what it says unless told otherwise."""

    label: str
    fields: frozenset[str]
    subject: Mapping[str, str]  # by language
    body: Mapping[str, str]


class MailTextInvalid(Refusal):
    """A mail text names a field it does not have; the message says which it has."""


_COMMON = frozenset(
    ("contact_name", "customer_name", "seller_name", "bank_details", "number", "invoice_number",
     "total", "issued_on", "purchase_order", "period")
)  # fmt: skip

_CLOSING = {
    "en": "Kind regards,\n{{ seller_name }}\n",
    "de": "Mit freundlichen Grüßen\n{{ seller_name }}\n",
    "fr": "Cordialement,\n{{ seller_name }}\n",
    "nl": "Met vriendelijke groet,\n{{ seller_name }}\n",
}
_GREETING = {
    "en": "Dear {{ contact_name }},\n\n",
    "de": "Guten Tag {{ contact_name }},\n\n",
    "fr": "Bonjour {{ contact_name }},\n\n",
    "nl": "Beste {{ contact_name }},\n\n",
}
_PAY = {
    "en": "Please pay to:\n{{ bank_details }}\n\n",
    "de": "Bitte überweisen Sie an:\n{{ bank_details }}\n\n",
    "fr": "Merci de régler à :\n{{ bank_details }}\n\n",
    "nl": "Gelieve te betalen aan:\n{{ bank_details }}\n\n",
}

_ONLINE = {
    "en": "Or pay online: {{ payment_link }}\n\n",
    "de": "Oder online bezahlen: {{ payment_link }}\n\n",
    "fr": "Ou payer en ligne : {{ payment_link }}\n\n",
    "nl": "Of betaal online: {{ payment_link }}\n\n",
}


def _body(text: Mapping[str, str], *, pay: bool = True) -> dict[str, str]:
    return {
        language: f"{_GREETING[language]}{words}\n\n"
        f"{_PAY[language] + _ONLINE[language] if pay else ''}"
        f"{_CLOSING[language]}"
        for language, words in text.items()
    }


KINDS: Mapping[str, MailKind] = {
    "invoice": MailKind(
        "Invoice",
        _COMMON | {"due_on", "payment_link"},
        {
            "en": "Invoice {{ number }} from {{ seller_name }}",
            "de": "Rechnung {{ number }} von {{ seller_name }}",
            "fr": "Facture {{ number }} de {{ seller_name }}",
            "nl": "Factuur {{ number }} van {{ seller_name }}",
        },
        _body(
            {
                "en": "attached is invoice {{ number }} for {{ total }}, due on {{ due_on }}.",
                "de": "anbei erhalten Sie die Rechnung {{ number }} über {{ total }}, "
                "fällig am {{ due_on }}.",
                "fr": "veuillez trouver ci-joint la facture {{ number }} de {{ total }}, "
                "à régler au plus tard le {{ due_on }}.",
                "nl": "bijgaand vindt u factuur {{ number }} van {{ total }}, "
                "te betalen uiterlijk {{ due_on }}.",
            }
        ),
    ),
    "credit_note": MailKind(
        "Credit note",
        _COMMON | {"reason"},
        {
            "en": "Credit note {{ number }} from {{ seller_name }}",
            "de": "Rechnungskorrektur {{ number }} von {{ seller_name }}",
            "fr": "Avoir {{ number }} de {{ seller_name }}",
            "nl": "Creditnota {{ number }} van {{ seller_name }}",
        },
        _body(
            {
                "en": "attached is credit note {{ number }} for {{ total }}, which corrects "
                "invoice {{ invoice_number }}: {{ reason }}",
                "de": "anbei erhalten Sie die Rechnungskorrektur {{ number }} über {{ total }} "
                "zur Rechnung {{ invoice_number }}: {{ reason }}",
                "fr": "veuillez trouver ci-joint l’avoir {{ number }} de {{ total }} "
                "relatif à la facture {{ invoice_number }} : {{ reason }}",
                "nl": "bijgaand vindt u creditnota {{ number }} van {{ total }} "
                "bij factuur {{ invoice_number }}: {{ reason }}",
            },
            pay=False,
        ),
    ),
    "reminder_before": MailKind(
        "Before due",
        _COMMON | {"due_on", "open_amount", "payment_link"},
        {
            "en": "Invoice {{ number }} is due on {{ due_on }}",
            "de": "Rechnung {{ number }} ist am {{ due_on }} fällig",
            "fr": "La facture {{ number }} est à régler le {{ due_on }}",
            "nl": "Factuur {{ number }} vervalt op {{ due_on }}",
        },
        _body(
            {
                "en": "invoice {{ number }} for {{ total }} is due on {{ due_on }}; "
                "{{ open_amount }} is still open.\n\nIf you have paid in the meantime, please "
                "disregard this mail. The invoice is attached.",
                "de": "die Rechnung {{ number }} über {{ total }} ist am {{ due_on }} fällig; "
                "offen sind {{ open_amount }}.\n\nFalls Sie inzwischen gezahlt haben, betrachten "
                "Sie diese Mail bitte als gegenstandslos. Die Rechnung liegt bei.",
                "fr": "la facture {{ number }} de {{ total }} est à régler le {{ due_on }} ; "
                "{{ open_amount }} restent dus.\n\nSi vous avez payé entre-temps, ne tenez pas "
                "compte de ce message. La facture est jointe.",
                "nl": "factuur {{ number }} van {{ total }} vervalt op {{ due_on }}; "
                "{{ open_amount }} staat nog open.\n\nHebt u intussen betaald, dan kunt u dit "
                "bericht negeren. De factuur is bijgevoegd.",
            }
        ),
    ),
    "reminder_late": MailKind(
        "Overdue",
        _COMMON | {"due_on", "open_amount", "days_late", "payment_link"},
        {
            "en": "Reminder: invoice {{ number }} is {{ days_late }} late",
            "de": "Erinnerung: Rechnung {{ number }} ist seit {{ days_late }} fällig",
            "fr": "Rappel : la facture {{ number }} est échue depuis {{ days_late }}",
            "nl": "Herinnering: factuur {{ number }} is {{ days_late }} over tijd",
        },
        _body(
            {
                "en": "invoice {{ number }} was due on {{ due_on }}, {{ days_late }} ago. "
                "{{ open_amount }} is still open.\n\nIf you have paid in the meantime, please "
                "disregard this mail. The invoice is attached.",
                "de": "die Rechnung {{ number }} war am {{ due_on }} fällig, vor {{ days_late }}. "
                "Offen sind {{ open_amount }}.\n\nFalls Sie inzwischen gezahlt haben, "
                "betrachten Sie diese Mail bitte als gegenstandslos. Die Rechnung liegt bei.",
                "fr": "la facture {{ number }} était à régler le {{ due_on }}, il y a "
                "{{ days_late }}. {{ open_amount }} restent dus.\n\nSi vous avez payé "
                "entre-temps, ne tenez pas compte de ce message. La facture est jointe.",
                "nl": "factuur {{ number }} verviel op {{ due_on }}, {{ days_late }} "
                "geleden. {{ open_amount }} staat nog open.\n\nHebt u intussen betaald, dan kunt "
                "u dit bericht negeren. De factuur is bijgevoegd.",
            }
        ),
    ),
}  # fmt: skip


def checked(kind: str, subject: str, body: str) -> tuple[str, str]:
    """Return a subject and a body whose merge fields exist, in one form of line ends.

    :raises MailTextInvalid: naming the field and what it may hold.
    """
    if kind not in KINDS:
        raise MailTextInvalid(f"kind: must be one of {', '.join(KINDS)}")
    subject, body = " ".join(subject.split()), body.replace("\r\n", "\n").strip() + "\n"
    for name, text, most in (("subject", subject, 200), ("body", body, MAX_BODY)):
        if not text.strip():
            raise MailTextInvalid(f"{name}: write something")
        if len(text) > most:
            raise MailTextInvalid(f"{name}: must have at most {most} characters")
        if "\x00" in text:
            raise MailTextInvalid(f"{name}: has a character no mail can carry")
        unknown = sorted(set(_FIELD.findall(text)) - KINDS[kind].fields)
        if unknown:
            raise MailTextInvalid(
                f"{name}: there is no field {unknown[0]}; there are "
                f"{', '.join(sorted(KINDS[kind].fields))}"
            )
        rest = _FIELD.sub("", text)
        if "{{" in rest or "{%" in rest:
            raise MailTextInvalid(
                f"{name}: a field is written {{{{ number }}}}; nothing else goes into braces"
            )
    return subject, body


_DAYS = {
    "en": ("day", "days"),
    "de": ("Tag", "Tagen"),
    "fr": ("jour", "jours"),
    "nl": ("dag", "dagen"),
}


def days_in_words(days: int, language: str) -> str:
    """Write a number of days as a mail says it: 1 day, 3 Tagen."""
    one, many = _DAYS[language]
    return f"{days} {one if days == 1 else many}"


def merged_body(text: str, values: Mapping[str, str]) -> str:
    r"""Put values into a body; a paragraph whose fields are all empty is left out.

    >>> merged_body("Hello.\n\nPay to:\n{{ bank_details }}\n\nBye.", {})
    'Hello.\n\nBye.'
    """
    kept = []
    for paragraph in text.split("\n\n"):
        fields = _FIELD.findall(paragraph)
        if not fields or any(values.get(field, "") for field in fields):
            kept.append(merged(paragraph, values))
    return "\n\n".join(kept)


def merged(text: str, values: Mapping[str, str]) -> str:
    """Put values where their fields are, once: what a value says is never looked at again.

    >>> merged("Invoice {{ number }} for {{customer_name}}",
    ...        {"number": "{{ total }}", "customer_name": "Acme"})
    'Invoice {{ total }} for Acme'
    """
    return _FIELD.sub(lambda found: values.get(found.group(1), ""), text)
