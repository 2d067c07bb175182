"""What colleagues say about a quote, and quotes to start from."""

import pgtrigger
from django.db import models
from django.db.models import Q

from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel
from quotes.models.quotes import Quote


class QuoteComment(TenantModel):
    """A remark on a quote: for colleagues, or shared with the customer, or asked by them."""

    quote = TenantForeignKey(
        Quote, on_delete=models.CASCADE, related_name="comments", db_index=False
    )
    version_number = models.PositiveIntegerField()
    author = models.CharField(max_length=200)
    text = models.TextField()
    is_shared = models.BooleanField(default=False)  # the customer reads it
    is_from_customer = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "quote"], name="quote_comment_by_quote")]
        constraints = [
            models.CheckConstraint(
                name="quote_comment_of_customer_is_shared",
                condition=Q(is_from_customer=False) | Q(is_shared=True),
            )
        ]
        triggers = [pgtrigger.Protect(name="quote_comment_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.text[:40]


class QuoteTemplate(TenantModel):
    """Phases, products and prices to start a quote from."""

    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    payload = models.JSONField()  # as the builder saves a draft
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="quote_template_name_once")
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name
