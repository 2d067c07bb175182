"""Optional items in the document the customer reads."""

from django import template

from quotes.models import QuoteVersion
from quotes.services.options import Option, options_of

register = template.Library()


@register.simple_tag
def options_beside(version: QuoteVersion) -> list[Option]:
    """Return what is offered beside the price and not chosen."""
    return [option for option in options_of(version) if not option.is_chosen]
