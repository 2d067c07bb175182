"""Keep the states a draft had, one for each step of editing."""

from datetime import datetime, timedelta
from typing import Any

from monetization.tenancy.context import current_actor
from quotes.domain.steps import is_same_shape, what_changed
from quotes.models import DraftStep, QuoteVersion
from quotes.services.payloads import whole_payload

MOST_STEPS = 100
# One field typed in one go is one step, however often it was saved meanwhile.
ONE_GO = timedelta(seconds=5)


def keep_step(version: QuoteVersion, before: dict[str, Any], now: datetime) -> None:
    """Keep what a draft is now as its latest step; what was undone is gone then.

    :param before: what the draft was, as ``whole_payload`` says it.
    """
    current = catch_up(version, before, now)
    after = whole_payload(version)
    if after == before:
        return
    _forget_undone(version)
    what = what_changed(before, after)[:200] or "draft"
    typed_on = current.what == what and is_same_shape(before, after)
    if typed_on and _is_one_go(current, now):
        current.payload, current.made_at = after, now
        current.save(update_fields=["payload", "made_at"])
        return
    _append(version, after, what, now)


def catch_up(version: QuoteVersion, state: dict[str, Any], now: datetime) -> DraftStep:
    """Return the step a draft stands at; one is made for the first state and for other ways."""
    current: DraftStep | None = version.steps.filter(number=version.step).first()
    if current is None:
        return _append(version, state, "", now)
    if current.payload != state:
        _forget_undone(version)
        what = what_changed(current.payload, state)[:200] or "draft"
        return _append(version, state, what, now)
    return current


def _is_one_go(current: DraftStep, now: datetime) -> bool:
    return current.made_by == current_actor() and now - current.made_at < ONE_GO


def _forget_undone(version: QuoteVersion) -> None:
    version.steps.filter(number__gt=version.step).delete()


def _append(version: QuoteVersion, state: dict[str, Any], what: str, now: datetime) -> DraftStep:
    step: DraftStep = DraftStep.objects.create(
        version=version,
        number=version.step + 1,
        payload=state,
        what=what,
        made_by=current_actor(),
        made_at=now,
    )
    version.step = step.number
    version.save(update_fields=["step"])
    version.steps.filter(number__lte=step.number - MOST_STEPS).delete()
    return step
