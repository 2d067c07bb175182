"""Figures and words of print templates, as the ``paper`` of the context writes them."""

from datetime import date
from typing import Any

from django import template

from monetization.documents.stationery import PLAIN, Stationery

register = template.Library()


def _paper(context: template.Context) -> Stationery:
    found: Stationery = context.get("paper") or PLAIN
    return found


@register.simple_tag(takes_context=True)
def say(context: template.Context, word: str) -> str:
    """Write a word of the document in its language."""
    return _paper(context).words[word]


@register.simple_tag(takes_context=True)
def amount(context: template.Context, value: Any, currency: str) -> str:
    return _paper(context).money(value, currency)


@register.simple_tag(takes_context=True)
def rate(context: template.Context, value: Any, currency: str) -> str:
    return _paper(context).rate(value, currency)


@register.simple_tag(takes_context=True)
def units(context: template.Context, value: Any) -> str:
    return _paper(context).quantity(value)


@register.simple_tag(takes_context=True)
def share(context: template.Context, value: Any) -> str:
    return _paper(context).percent(value)


@register.simple_tag(takes_context=True)
def on(context: template.Context, value: date | None) -> str:
    return _paper(context).day(value)


@register.simple_tag(takes_context=True)
def span(context: template.Context, start: date, end: date | None) -> str:
    return _paper(context).period(start, end)


@register.simple_tag(takes_context=True)
def step(context: template.Context, label: str) -> str:
    return _paper(context).step(label)
