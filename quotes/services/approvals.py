"""Ask for the agreement a quote needs, and answer."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet

from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.terms import OrderTerms
from monetization.tenancy.context import current_actor
from quotes import selectors
from quotes.domain import lifecycle
from quotes.domain.approvals import Conditions, fingerprint, reasons
from quotes.models import ApprovalDeputy, ApprovalRule, ApprovalStep, QuoteVersion
from quotes.services.approval_rules import approvers
from quotes.services.commitments import overrides_of
from quotes.services.common import announce, locked_draft


class ApprovalMissing(Refusal):
    """Somebody has to agree before the quote can be sent."""


class ApprovalNotNeeded(Refusal):
    """No rule asks for anybody's agreement, or all have agreed."""


class NotYourApproval(Refusal):
    """It is asked of somebody else, or of anybody but who asked."""


class ApprovalNotOpen(Refusal):
    """It was answered or withdrawn, or an earlier step comes first."""


class ApprovalReasonMissing(Refusal):
    """Whoever refuses says why."""


@dataclass(frozen=True, slots=True)
class Need:
    """A rule that applies to a version, why, and the agreement that stands for it."""

    rule: ApprovalRule
    reasons: tuple[str, ...]
    facts_sha256: str
    agreement: ApprovalStep | None


@dataclass(frozen=True, slots=True)
class Decider:
    """Who answers: a member, or an API key that may answer for everybody."""

    label: str  # a member's e-mail address
    role: str = ""
    is_machine: bool = False


def needs_of(version: QuoteVersion, terms: OrderTerms, now: datetime) -> list[Need]:
    """Return every active rule that applies to a version, in the order they are asked.

    An agreement given to any version of the quote stands while what the rule looks at is the
    same and it has not expired.
    """
    rules = list(ApprovalRule.objects.filter(is_active=True).order_by("step", "name"))
    if not rules:
        return []
    facts = replace(selectors.facts_of(version, terms), overrides=overrides_of(version))
    given = {
        (step.rule_id, step.facts_sha256): step
        for step in ApprovalStep.objects.filter(
            version__quote_id=version.quote_id,
            status=ApprovalStep.Status.APPROVED,
            valid_until__gt=now,
        ).order_by("decided_at")
    }
    found = []
    for rule in rules:
        conditions = _conditions(rule)
        why = reasons(conditions, facts)
        if why is not None:
            digest = fingerprint(conditions, facts)
            found.append(Need(rule, why, digest, given.get((rule.id, digest))))
    return found


def _conditions(rule: ApprovalRule) -> Conditions:
    return Conditions(
        discount_over=rule.discount_over,
        value_over=rule.value_over,
        margin_below=rule.margin_below,
        term_over_months=rule.term_over_months,
        payment_over_days=rule.payment_over_days,
        currencies=tuple(rule.currencies),
        products=tuple(rule.products),
        has_custom_text=rule.has_custom_text,
        overrides_term_discount=rule.overrides_term_discount,
    )


def refuse_unapproved(version: QuoteVersion, terms: OrderTerms, now: datetime) -> None:
    """Let pass what nobody has to agree to any more.

    :raises ApprovalMissing: naming the rules and why they apply.
    """
    missing = [need for need in needs_of(version, terms, now) if need.agreement is None]
    if missing:
        said = "; ".join(f"{need.rule.name} ({' '.join(need.reasons)})" for need in missing)
        raise ApprovalMissing(f"needs approval first: {said}")


@transaction.atomic
def request_approval(*, version_id: UUID, comment: str, now: datetime) -> list[ApprovalStep]:
    """Ask for every agreement a draft lacks; it cannot be edited until all have answered.

    :raises ApprovalNotNeeded: if it lacks none.
    :raises PriceError: if the draft is not complete.
    """
    version = locked_draft(version_id)
    terms = selectors.terms_of_draft(version)
    missing = [need for need in needs_of(version, terms, now) if need.agreement is None]
    if not missing:
        raise ApprovalNotNeeded("nobody has to agree any more: it can be sent")
    first = missing[0].rule.step
    steps = [
        ApprovalStep.objects.create(
            version=version,
            rule=need.rule,
            title=need.rule.name,
            step=need.rule.step,
            reasons=list(need.reasons),
            approver_role=need.rule.approver_role,
            approver_emails=need.rule.approver_emails,
            facts_sha256=need.facts_sha256,
            status="open" if need.rule.step == first else "waiting",
            requested_by=current_actor(),
            requested_at=now,
            request_comment=comment.strip()[:1000],
        )
        for need in missing
    ]
    _move(version, "request")
    announce(version.quote, version, "quote.approval_requested", now, reason=comment.strip()[:1000])
    _ask([step for step in steps if step.status == "open"], version, now)
    return steps


@transaction.atomic
def decide(
    *, step_id: UUID, decider: Decider, is_approved: bool, comment: str, now: datetime
) -> ApprovalStep:
    """Answer one step. The last agreement approves the quote, one refusal returns it as a draft.

    :raises NotYourApproval: if it is not asked of the decider, or they asked for it themselves.
    :raises ApprovalNotOpen: if it cannot be answered now.
    :raises ApprovalReasonMissing: if a refusal says no reason.
    """
    step, version = _locked_step(step_id)
    if step.status != ApprovalStep.Status.OPEN:
        raise ApprovalNotOpen(f"{step.title} is {step.get_status_display().lower()}")
    if not may_decide(step, decider, now.date()):
        raise NotYourApproval(f"{step.title} is not yours to answer")
    if not is_approved and not comment.strip():
        raise ApprovalReasonMissing("comment: say why you refuse")
    step.status = ApprovalStep.Status.APPROVED if is_approved else ApprovalStep.Status.REJECTED
    step.decided_by, step.decided_at, step.comment = decider.label, now, comment.strip()[:1000]
    if is_approved:
        step.valid_until = now + timedelta(days=step.rule.valid_days)
    step.save()
    said = {"rule": step.title, "reason": step.comment}
    if is_approved:
        announce(version.quote, version, "quote.approval_given", now, **said)
        _proceed(version, now)
    else:
        announce(version.quote, version, "quote.approval_refused", now, **said)
        _open_steps(version).update(status=ApprovalStep.Status.WITHDRAWN)
        _move(version, "reject")
        _answer(step, version, f"{decider.label} refused: {step.comment}", now)
    return step


def may_decide(step: ApprovalStep, decider: Decider, today: date) -> bool:
    """Say whether somebody may answer a step: asked themselves, or for somebody who is away.

    Nobody answers what they asked for.
    """
    if decider.label == step.requested_by:
        return False
    if decider.is_machine:
        return True
    if step.approver_role:
        asked = {decider.label} if decider.role == step.approver_role else set()
        absent = approvers(step.approver_role)
    else:
        asked = set(step.approver_emails)
        absent = step.approver_emails
    return decider.label in asked | deputies_of(absent, today)


def deputies_of(absent: Iterable[str], today: date) -> set[str]:
    """Return who answers today for people who are away."""
    rows = ApprovalDeputy.objects.filter(
        absent_email__in=list(absent), first_day__lte=today, last_day__gte=today
    )
    return set(rows.values_list("deputy_email", flat=True))


@transaction.atomic
def hand_over(*, step_id: UUID, decider: Decider, to_email: str, now: datetime) -> ApprovalStep:
    """Let somebody else answer one step instead.

    :raises NotYourApproval: if it is not the decider's to answer, or not the other's to take.
    :raises ApprovalNotOpen: if it is answered or withdrawn.
    """
    step, version = _locked_step(step_id)
    if step.status not in (ApprovalStep.Status.OPEN, ApprovalStep.Status.WAITING):
        raise ApprovalNotOpen(f"{step.title} is {step.get_status_display().lower()}")
    if not may_decide(step, decider, now.date()):
        raise NotYourApproval(f"{step.title} is not yours to hand over")
    if to_email not in approvers() or to_email == step.requested_by:
        raise NotYourApproval(f"to_email: {to_email} may not answer it")
    step.approver_role, step.approver_emails = "", [to_email]
    step.save(update_fields=["approver_role", "approver_emails"])
    announce(
        version.quote, version, "quote.approval_handed_over", now, rule=step.title, to=to_email
    )
    if step.status == ApprovalStep.Status.OPEN:
        _ask([step], version, now)
    return step


@transaction.atomic
def reopen_draft(*, version_id: UUID, now: datetime) -> QuoteVersion:
    """Edit again: withdraw what was asked; agreements given stand while their facts do.

    :raises QuoteTransitionRefused: if the version is neither in approval nor approved.
    """
    version = _locked_version(version_id)
    is_asked = version.status == QuoteVersion.Status.IN_APPROVAL
    _move(version, "withdraw" if is_asked else "reopen")
    if is_asked:
        _open_steps(version).update(status=ApprovalStep.Status.WITHDRAWN)
        announce(version.quote, version, "quote.approval_withdrawn", now)
    return version


def open_steps_for(decider: Decider, today: date) -> list[ApprovalStep]:
    """Return the open steps somebody may answer, oldest first."""
    rows = ApprovalStep.objects.filter(status=ApprovalStep.Status.OPEN).select_related(
        "version__quote__customer"
    )
    return [step for step in rows.order_by("requested_at") if may_decide(step, decider, today)]


def _proceed(version: QuoteVersion, now: datetime) -> None:
    """Ask the next step once a whole one agreed; approve the version after the last."""
    if _open_steps(version).filter(status=ApprovalStep.Status.OPEN).exists():
        return
    waiting = _open_steps(version).filter(status=ApprovalStep.Status.WAITING)
    number = waiting.aggregate(first=Min("step"))["first"]
    if number is not None:
        following = list(waiting.filter(step=number))
        waiting.filter(step=number).update(status=ApprovalStep.Status.OPEN)
        _ask(following, version, now)
        return
    _move(version, "approve")
    announce(version.quote, version, "quote.approved", now)
    last: ApprovalStep = version.approvals.filter(decided_at__isnull=False).latest("decided_at")
    _answer(last, version, "everybody agreed; it can be sent", now)


def _open_steps(version: QuoteVersion) -> QuerySet[Any]:
    rows: QuerySet[Any] = version.approvals.filter(
        status__in=[ApprovalStep.Status.OPEN, ApprovalStep.Status.WAITING]
    )
    return rows


def _move(version: QuoteVersion, action: str) -> None:
    version.status = lifecycle.next_state(version.status, action)
    version.save(update_fields=["status"])


def _locked_version(version_id: UUID) -> QuoteVersion:
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__customer", "legal_entity")
        .get(id=version_id)
    )
    return version


def _locked_step(step_id: UUID) -> tuple[ApprovalStep, QuoteVersion]:
    """Lock the version, then the step: two who answer at once do so one after the other."""
    version = _locked_version(ApprovalStep.objects.only("version_id").get(id=step_id).version_id)
    step: ApprovalStep = ApprovalStep.objects.select_related("rule").get(id=step_id)
    return step, version


def _ask(steps: list[ApprovalStep], version: QuoteVersion, now: datetime) -> None:
    """Mail everybody who may answer, once per step and person."""
    quote = version.quote
    for step in steps:
        asked = approvers(step.approver_role) if step.approver_role else step.approver_emails
        for to in sorted({*asked, *deputies_of(asked, now.date())} - {step.requested_by}):
            why = "\n".join(f"- {reason}" for reason in step.reasons)
            said = f"\n{step.requested_by} writes: {step.request_comment}\n"
            queue_mail(
                dedupe_key=f"approval/{step.id}/{to}",
                to=to,
                subject=f"Approval needed: {quote.number} {quote.title} for {quote.customer.name}",
                text=(
                    f"{step.requested_by} asks for your approval of {quote.number}, version "
                    f"{version.number}: {quote.title} for {quote.customer.name}.\n\n"
                    f"{step.title}:\n{why}\n{said if step.request_comment else ''}\n"
                    f"Read it and answer here:\n{settings.PUBLIC_BASE_URL}/quotes/approvals/\n"
                ),
                subject_ref=f"quote/{quote.id}",
                now=now,
            )


def _answer(step: ApprovalStep, version: QuoteVersion, said: str, now: datetime) -> None:
    """Tell whoever asked what became of it."""
    if "@" not in step.requested_by:  # an API key reads the event
        return
    quote = version.quote
    queue_mail(
        dedupe_key=f"approval/{step.id}/answer",
        to=step.requested_by,
        subject=f"{quote.number} {quote.title}: {said[:120]}",
        text=(
            f"{quote.number}, version {version.number}: {quote.title} for {quote.customer.name}.\n"
            f"{step.title}: {said}.\n\n{settings.PUBLIC_BASE_URL}/quotes/{quote.id}/\n"
        ),
        subject_ref=f"quote/{quote.id}",
        now=now,
    )
