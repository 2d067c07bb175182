"""Files we made and must be able to show again, byte for byte."""

import pgtrigger
from django.core.validators import RegexValidator
from django.db import models

from monetization.audit.models import audited
from monetization.documents.stationery import ACCENT, DATE_STYLES, NUMBER_FORMATS, PAGE_SIZES
from monetization.documents.words import LANGUAGES
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel


class Document(TenantModel):
    """A stored file, known by its SHA-256. Immutable."""

    filename = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100, default="application/pdf")
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "sha256"], name="document_by_hash")]
        triggers = [pgtrigger.Protect(name="document_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.filename


class DocumentTemplate(TenantModel):
    """How a legal entity's documents look and what goes with them. Its texts are the entity's.

    The fields of the electronic seller are what EN 16931 asks for beyond name, tax id and
    country; they may be empty while no electronic invoice is wanted.
    """

    class Appendix(models.TextChoices):
        NONE = "none", "None"
        PAGES = "pages", "By day, on pages of the invoice"
        FILE = "file", "By day, in a CSV file beside it"

    class Electronic(models.TextChoices):
        NONE = "none", "None: PDF alone"
        UBL = "ubl", "UBL 2.1, Peppol BIS Billing 3.0, beside the PDF"
        FACTUR_X = "factur_x", "Factur-X (ZUGFeRD), inside the PDF"

    legal_entity = TenantForeignKey(
        LegalEntity, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    logo = TenantForeignKey(Document, null=True, blank=True, related_name="+")
    accent_color = models.CharField(
        max_length=7, default=ACCENT, validators=[RegexValidator(r"\A#[0-9a-fA-F]{6}\Z")]
    )
    language = models.CharField(max_length=2, choices=LANGUAGES, default="en")
    number_format = models.CharField(max_length=5, choices=NUMBER_FORMATS, default="en_US")
    date_style = models.CharField(max_length=7, choices=DATE_STYLES, default="short")
    page_size = models.CharField(max_length=6, choices=PAGE_SIZES, default="A4")
    usage_appendix = models.CharField(max_length=5, choices=Appendix, default=Appendix.NONE)
    electronic_format = models.CharField(max_length=8, choices=Electronic, default=Electronic.NONE)
    street = models.CharField(max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    endpoint_scheme = models.CharField(max_length=4, blank=True)  # EAS code list
    endpoint_id = models.CharField(max_length=100, blank=True)  # BT-34
    registration_scheme = models.CharField(max_length=4, blank=True)  # ISO 6523
    registration_id = models.CharField(max_length=60, blank=True)  # BT-30
    contact_name = models.CharField(max_length=100, blank=True)
    contact_phone = models.CharField(max_length=40, blank=True)
    iban = models.CharField(max_length=34, blank=True)
    bic = models.CharField(max_length=11, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "legal_entity"], name="document_template_once_per_entity"
            )
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"documents of {self.legal_entity_id}"

    @property
    def printed_iban(self) -> str:
        """The IBAN in groups of four, as ISO 13616 prints it."""
        return " ".join(self.iban[at : at + 4] for at in range(0, len(self.iban), 4))
