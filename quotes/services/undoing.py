"""Go back and forth between the steps of editing a draft."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from monetization.kernel.errors import Refusal
from quotes.models import DraftStep, QuoteVersion
from quotes.services.common import locked_draft
from quotes.services.drafting import write_draft
from quotes.services.payloads import whole_payload
from quotes.services.steps import catch_up


class NoFurtherStep(Refusal):
    """The draft stands at its first step that is kept, or at its last: there is no further way."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What undoing and redoing would do, in words; empty where there is nothing."""

    undo: str = ""
    redo: str = ""

    @property
    def undo_words(self) -> str:
        return f"Undo {self.undo}" if self.undo else "Nothing to undo"

    @property
    def redo_words(self) -> str:
        return f"Redo {self.redo}" if self.redo else "Nothing to redo"

    @property
    def no_undo(self) -> bool:
        return not self.undo

    @property
    def no_redo(self) -> bool:
        return not self.redo


def ways_of(version: QuoteVersion) -> Ways:
    """Return what can be undone and redone from where a draft stands."""
    rows = version.steps.filter(number__gte=version.step - 1, number__lte=version.step + 1)
    steps = dict(rows.values_list("number", "what"))
    undo = steps.get(version.step, "") if version.step - 1 in steps else ""
    return Ways(undo, steps.get(version.step + 1, ""))


@transaction.atomic
def undo_draft(*, version_id: UUID, now: datetime) -> DraftStep:
    """Put a draft back to the step before; returns it.

    :raises NoFurtherStep: at the first step.
    :raises VersionNotDraft: once it was sent.
    """
    return _go(version_id, -1, now)


@transaction.atomic
def redo_draft(*, version_id: UUID, now: datetime) -> DraftStep:
    """Do again what was undone last; returns the step.

    :raises NoFurtherStep: if nothing was undone, or something was changed since.
    :raises VersionNotDraft: once it was sent.
    """
    return _go(version_id, 1, now)


def _go(version_id: UUID, by: int, now: datetime) -> DraftStep:
    version = locked_draft(version_id)
    catch_up(version, whole_payload(version), now)
    step: DraftStep | None = version.steps.filter(number=version.step + by).first()
    if step is None:
        raise NoFurtherStep("nothing to undo" if by < 0 else "nothing to redo")
    version.step = step.number
    version.save(update_fields=["step"])
    write_draft(version, step.payload)
    return step
