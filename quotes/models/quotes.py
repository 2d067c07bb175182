"""Offers, their versions, and what was signed."""

import pgtrigger
from django.db import models
from django.db.models import Q

from monetization.audit.models import audited
from monetization.catalog.models import PriceVersion, Product
from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel


class QuoteSequence(TenantModel):
    """The next quote number; a locked counter, so numbers have no gaps."""

    next_number = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="quote_sequence_one")]

    def __str__(self) -> str:
        return str(self.next_number)


class Quote(TenantModel):
    """An offer to a customer. Its versions carry the terms; its status is its latest version's."""

    class Kind(models.TextChoices):
        NEW = "new", "New agreement"
        AMENDMENT = "amendment", "Amendment"
        RENEWAL = "renewal", "Renewal"

    number = models.CharField(max_length=20)
    kind = models.CharField(max_length=9, choices=Kind, default=Kind.NEW)
    # The signed order form it amends or renews.
    amends = TenantForeignKey("quotes.OrderForm", null=True, blank=True, related_name="+")
    customer = TenantForeignKey(Customer, related_name="quotes", db_index=False)
    title = models.CharField(max_length=200)
    owner_label = models.CharField(max_length=200)  # who made it
    external_id = models.CharField(max_length=200, blank=True)  # the CRM's opportunity, as text
    opportunity = TenantForeignKey(
        "quotes.Opportunity", null=True, blank=True, related_name="quotes"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="quote_number_once")
        ]
        indexes = [models.Index(fields=["tenant", "customer"], name="quote_by_customer")]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.number


class QuoteVersion(TenantModel):
    """One iteration. A draft is edited; once sent, it is frozen and editing makes the next."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        IN_APPROVAL = "in_approval", "In approval"
        APPROVED = "approved", "Approved"
        SENT = "sent", "Sent"
        VIEWED = "viewed", "Viewed"
        PARTIALLY_SIGNED = "partially_signed", "Partially signed"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        EXPIRED = "expired", "Expired"
        SUPERSEDED = "superseded", "Superseded"

    quote = TenantForeignKey(
        Quote, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    legal_entity = TenantForeignKey(LegalEntity, related_name="+")  # who sells
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=63)
    start_on = models.DateField()
    anchor_day = models.PositiveSmallIntegerField(default=1)  # 1-31
    payment_terms_days = models.PositiveSmallIntegerField(default=30)
    auto_renew = models.BooleanField(default=False)
    expires_on = models.DateField()  # last day it can be signed
    purchase_order = models.CharField(max_length=60, blank=True)
    introduction = models.TextField(blank=True)
    special_terms = models.TextField(blank=True)
    signer_name = models.CharField(max_length=200, blank=True)
    signer_email = models.EmailField(blank=True)
    # Who signs after the first signer, in order: name, email, side (customer or seller).
    further_signers = models.JSONField(default=list, blank=True)
    renewal_months = models.PositiveSmallIntegerField(default=12)
    renewal_uplift_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    renewal_notice_days = models.PositiveSmallIntegerField(default=60)  # to end it, before the end
    # Months of the phases count from here: an amendment begins within a phase that goes on.
    counted_from = models.DateField(null=True, blank=True)  # null: from the start
    # From when an amendment holds within a period already begun; empty for other quotes.
    change_rule = models.CharField(max_length=14, blank=True)  # terms.CHANGE_RULES
    asks_email_code = models.BooleanField(default=False)  # a signer proves the mailbox is theirs
    signature_method = models.CharField(max_length=30, default="link")  # quotes.ports
    step = models.PositiveIntegerField(default=0)  # of editing, at which a draft stands
    # Frozen when sent:
    terms = models.JSONField(null=True, blank=True)  # monetization.pricing.terms
    terms_sha256 = models.CharField(max_length=64, blank=True)
    document = TenantForeignKey(Document, null=True, blank=True, related_name="+")
    document_sha256 = models.CharField(max_length=64, blank=True)
    total_contract_value = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    annual_contract_value = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "quote", "number"], name="quote_version_number_once"
            ),
            models.CheckConstraint(
                name="quote_version_anchor_day", condition=Q(anchor_day__gte=1, anchor_day__lte=31)
            ),
            models.CheckConstraint(
                name="quote_version_sent_is_frozen",
                condition=Q(status__in=["draft", "in_approval", "approved", "superseded"])
                | (Q(terms__isnull=False) & ~Q(terms_sha256="") & ~Q(document_sha256="")),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="sent_terms_frozen",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__sent_at__isnull=False),
                func="""
                IF (NEW.terms, NEW.terms_sha256, NEW.document_sha256, NEW.document_id,
                    NEW.currency, NEW.legal_entity_id, NEW.purchase_order, NEW.start_on,
                    NEW.sent_at, NEW.quote_id, NEW.number)
                   IS DISTINCT FROM
                   (OLD.terms, OLD.terms_sha256, OLD.document_sha256, OLD.document_id,
                    OLD.currency, OLD.legal_entity_id, OLD.purchase_order, OLD.start_on,
                    OLD.sent_at, OLD.quote_id, OLD.number)
                THEN RAISE EXCEPTION 'the terms of a sent quote version never change';
                END IF;
                RETURN NEW;
                """,
            ),
            audited(),
        ]

    def __str__(self) -> str:
        return f"{self.quote_id} v{self.number}"


class QuotePhase(TenantModel):
    """A stretch of a quote version with the same prices, in order, without gaps."""

    class Kind(models.TextChoices):
        STANDARD = "standard", "Standard"
        TRIAL = "trial", "Trial"
        RAMP = "ramp", "Ramp"

    version = TenantForeignKey(
        QuoteVersion, on_delete=models.CASCADE, related_name="phases", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.STANDARD)
    months = models.PositiveSmallIntegerField(null=True, blank=True)  # null: open-ended, last only
    minimum_amount = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    minimum_frequency = models.CharField(max_length=11, blank=True)
    discount_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    discount_label = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "version", "position"], name="quote_phase_position_once"
            ),
            models.CheckConstraint(
                name="quote_phase_discount_in_range",
                condition=Q(discount_percent__gte=0, discount_percent__lte=100),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class QuoteLine(TenantModel):
    """One price in one phase. ``item_key`` ties the same line together across phases."""

    class TermDiscount(models.TextChoices):
        AUTOMATIC = "automatic", "By the rules"
        OWN = "own", "Own"
        KEPT = "kept", "As agreed before"  # an amendment or renewal carries it on

    phase = TenantForeignKey(
        QuotePhase, on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    item_key = models.CharField(max_length=100)
    product = TenantForeignKey(Product, related_name="+")
    price_version = TenantForeignKey(PriceVersion, null=True, blank=True, related_name="+")  # list
    description = models.CharField(max_length=300, blank=True)
    model = models.JSONField()  # the agreed numbers; monetization.pricing.codec
    modifiers = models.JSONField(default=dict, blank=True)  # monetization.pricing.terms.modifiers
    quantity = models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True)
    expected_quantity = models.DecimalField(  # assumed usage per billing period
        max_digits=24, decimal_places=12, null=True, blank=True
    )
    meter_key = models.CharField(max_length=60, blank=True)
    frequency = models.CharField(max_length=11)
    timing = models.CharField(max_length=10)
    proration = models.CharField(max_length=16, default="daily")
    discount_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    # What the line is less for a longer commitment, and why (catalog.TermDiscount).
    term_discount_mode = models.CharField(
        max_length=9, choices=TermDiscount, default=TermDiscount.AUTOMATIC
    )
    term_discount_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    term_discount_label = models.CharField(max_length=120, blank=True)
    # An optional line is offered beside the price; the customer chooses it on the signing page.
    is_optional = models.BooleanField(default=False)
    is_chosen = models.BooleanField(default=False)
    choice_group = models.CharField(max_length=60, blank=True)  # alternatives: one is chosen

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "phase", "item_key"], name="quote_line_item_once"
            ),
            models.CheckConstraint(
                name="quote_line_discount_in_range",
                condition=Q(discount_percent__gte=0, discount_percent__lte=100),
            ),
            models.CheckConstraint(
                name="quote_line_term_discount_in_range",
                condition=Q(term_discount_percent__gte=0, term_discount_percent__lte=100),
            ),
        ]

    def __str__(self) -> str:
        return self.item_key
