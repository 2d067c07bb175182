"""Templates of documents, mail texts and recipients over REST."""

import base64
import binascii
from typing import Any

from rest_framework import serializers

from billing.domain.mail_texts import KINDS, MAX_BODY
from billing.models import DocumentRecipient
from billing.services.numbering import sequence_of
from billing.services.templates import ENTITY_FIELDS, RECIPIENT_FIELDS, SERIES, TEMPLATE_FIELDS
from monetization.documents.logos import LARGEST_FILE
from monetization.documents.models import DocumentTemplate
from monetization.documents.stationery import DATE_STYLES, NUMBER_FORMATS, PAGE_SIZES
from monetization.documents.words import LANGUAGES
from monetization.interface.fields import InputSerializer


def _text(length: int, help_text: str = "") -> serializers.CharField:
    return serializers.CharField(
        max_length=length, required=False, allow_blank=True, help_text=help_text
    )


def _choice(choices: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=choices, required=False)


class NumberingSerializer(InputSerializer):
    """How numbers of a series are written."""

    prefix = serializers.CharField(
        max_length=20, allow_blank=True, help_text="Ends with no digit. Empty: code and kind."
    )
    digits = serializers.IntegerField(min_value=3, max_value=10)


class TemplateInputSerializer(InputSerializer):
    """What to change; what is left out stays."""

    accent_color = serializers.CharField(max_length=7, required=False, help_text="#1a2b3c")
    language = _choice(list(LANGUAGES))
    number_format = _choice(list(NUMBER_FORMATS))
    date_style = _choice(list(DATE_STYLES))
    page_size = _choice(list(PAGE_SIZES))
    usage_appendix = _choice(DocumentTemplate.Appendix.values)
    electronic_format = _choice(DocumentTemplate.Electronic.values)
    street = _text(200)
    postal_code = _text(20)
    city = _text(100)
    endpoint_scheme = _text(4, "Electronic address scheme (EAS), e.g. 0088.")
    endpoint_id = _text(100)
    registration_scheme = _text(4, "ISO 6523, e.g. 0106.")
    registration_id = _text(60)
    contact_name = _text(100)
    contact_phone = _text(40)
    iban = _text(50)
    bic = _text(20)
    bank_details = _text(2000)
    footer = _text(2000)
    invoice_numbers = NumberingSerializer(required=False)
    credit_note_numbers = NumberingSerializer(required=False)

    @staticmethod
    def values(data: dict[str, Any]) -> dict[str, str]:
        return {name: data[name] for name in (*TEMPLATE_FIELDS, *ENTITY_FIELDS) if name in data}

    @staticmethod
    def numbering(data: dict[str, Any]) -> dict[str, tuple[str, int]]:
        return {
            series: (data[f"{series}_numbers"]["prefix"], data[f"{series}_numbers"]["digits"])
            for series in SERIES
            if f"{series}_numbers" in data
        }


class TemplateSerializer(TemplateInputSerializer):
    """How a legal entity's documents look and what goes with them."""

    legal_entity = serializers.UUIDField(source="legal_entity_id", read_only=True)
    name = serializers.CharField(source="legal_entity.name", read_only=True)
    has_logo = serializers.SerializerMethodField()
    bank_details = serializers.CharField(source="legal_entity.bank_details", read_only=True)
    footer = serializers.CharField(source="legal_entity.footer", read_only=True)
    invoice_numbers = serializers.SerializerMethodField()
    credit_note_numbers = serializers.SerializerMethodField()

    def get_has_logo(self, row: DocumentTemplate) -> bool:
        return row.logo_id is not None

    def get_invoice_numbers(self, row: DocumentTemplate) -> NumberingSerializer:
        return self._numbers(row, "invoice")

    def get_credit_note_numbers(self, row: DocumentTemplate) -> NumberingSerializer:
        return self._numbers(row, "credit_note")

    def _numbers(self, row: DocumentTemplate, series: str) -> Any:
        return NumberingSerializer(sequence_of(row.legal_entity_id, series)).data


class LogoSerializer(InputSerializer):
    """A logo, or null to have none."""

    content = serializers.CharField(
        max_length=LARGEST_FILE * 4 // 3 + 8,
        allow_null=True,
        help_text="PNG or JPEG in base64, at most 500 kB. Null takes the logo away.",
    )

    def validate_content(self, value: str | None) -> bytes | None:
        if value is None:
            return None
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("must be base64") from None


class MailTextInputSerializer(InputSerializer):
    """A mail in the company's words; both empty takes ours again."""

    subject = serializers.CharField(max_length=200, allow_blank=True)
    body = serializers.CharField(max_length=MAX_BODY, allow_blank=True, trim_whitespace=False)


class MailTextSerializer(serializers.Serializer[Any]):
    """What mails of one kind say."""

    kind = serializers.ChoiceField(choices=list(KINDS))
    subject = serializers.CharField()
    body = serializers.CharField()
    is_own = serializers.BooleanField(help_text="False: our words, in the customer's language.")
    fields_known = serializers.ListField(
        child=serializers.CharField(), help_text="The merge fields it may use."
    )


class RecipientSerializer(InputSerializer):
    """What a customer's documents need beyond its profile; what is left out stays."""

    language = serializers.ChoiceField(
        choices=list(LANGUAGES), required=False, allow_blank=True, help_text="Empty: the entity's."
    )
    street = _text(200)
    postal_code = _text(20)
    city = _text(100)
    endpoint_scheme = _text(4, "Electronic address scheme (EAS), e.g. 0088.")
    endpoint_id = _text(100)
    buyer_reference = _text(100, "BT-10, e.g. a Leitweg-ID.")
    tax_category = serializers.ChoiceField(
        choices=[value for value in DocumentRecipient.Category.values if value],
        required=False,
        allow_blank=True,
        help_text="UNCL 5305, where no tax is charged. Empty: by the tax treatment.",
    )
    exemption_reason = _text(200)

    @staticmethod
    def changes(data: dict[str, Any]) -> dict[str, str]:
        return {name: data[name] for name in RECIPIENT_FIELDS if name in data}
