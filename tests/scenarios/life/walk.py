"""Which steps there are, how a life is drawn, and how it ends."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from billing.models import BillingSchedule
from billing.services.amendments import end_schedule
from monetization.tenancy.context import tenant_context
from tests.scenarios.life import desk, steps
from tests.scenarios.life.company import Company


class Step(NamedTuple):
    """A step by name, with the three numbers that say which, how much and when."""

    name: str
    numbers: tuple[int, int, int]


def wait(company: Company, days: int) -> None:
    """Let time pass: a day, some, a month, a quarter."""
    company.wait((1, 5, 12, 31, 31, 62, 92)[days % 7])


# name -> what it does, how many numbers it takes, how often it is drawn
STEPS: dict[str, tuple[Callable[..., None], int, int]] = {
    "use": (steps.use, 3, 10),
    "repeat": (steps.repeat, 1, 1),
    "correct": (steps.correct, 2, 3),
    "attribute": (steps.attribute, 1, 1),
    "sell": (steps.sell, 3, 5),
    "amend": (steps.amend, 3, 3),
    "renew": (steps.renew, 1, 1),
    "end_contract": (steps.end_contract, 2, 1),
    "change_contract": (steps.change_contract, 2, 1),
    "say_seats": (steps.say_seats, 3, 3),
    "bill_at": (steps.bill_at, 2, 2),
    "estimate": (steps.estimate, 2, 1),
    "tax": (steps.tax, 3, 1),
    "recalculate": (desk.recalculate, 0, 3),
    "write_line": (desk.write_line, 3, 3),
    "edit_line": (desk.edit_line, 2, 2),
    "split": (desk.split, 3, 3),
    "merge": (desk.merge, 2, 2),
    "undo": (desk.undo, 1, 2),
    "approve": (desk.approve, 1, 1),
    "issue": (desk.issue, 2, 6),
    "issue_all": (desk.issue_all, 0, 4),
    "send": (desk.send, 1, 1),
    "one_off": (desk.one_off, 3, 2),
    "supplement": (desk.supplement, 2, 1),
    "credit": (desk.credit, 2, 3),
    "void": (desk.void, 2, 3),
    "pay": (desk.pay, 2, 4),
    "refund": (desk.refund, 2, 1),
    "write_off": (desk.write_off, 2, 1),
    "route_late": (desk.route_late, 2, 3),
    "give": (desk.give, 3, 3),
    "change_credits": (desk.change_credits, 2, 1),
    "recognize": (desk.recognize, 1, 2),
    "close": (desk.close, 1, 1),
}
MOST = 2**16


def take(company: Company, step: Step) -> None:
    """Take one step; time passes outside a transaction, everything else in one."""
    if step.name == "wait":
        wait(company, step.numbers[0])
        return
    act, count, _ = STEPS[step.name]
    company.do(step.name, act, *step.numbers[:count])


def weighted() -> list[str]:
    """Return the names of the steps, each as often as it is drawn; the simplest ones first."""
    return ["wait"] * 9 + [name for name, (_, _, often) in STEPS.items() for _ in range(often)]


def drawn(draw: Random, length: int) -> list[Step]:
    """Draw a life: it begins with a contract, and time passes."""
    found = draw.choices(weighted(), k=length)
    found[0] = "sell"
    return [
        Step(name, (draw.randrange(MOST), draw.randrange(MOST), draw.randrange(MOST)))
        for name in found
    ]


def finish(company: Company) -> None:
    """Let every contract come to its end, bill everything and recognize every month."""
    with tenant_context(company.tenant_id, actor="test"):
        open_ended = list(BillingSchedule.objects.filter(end_on=None).order_by("id"))
    for schedule in open_ended:
        day = max(company.today, schedule.start_on) + timedelta(days=20)
        company.do("end", _end, schedule, day)
    with tenant_context(company.tenant_id):
        ends = [row for row in BillingSchedule.objects.values_list("end_on", flat=True) if row]
    last = max([company.today, *ends]) + timedelta(days=40)
    while company.today < last:
        company.wait(92)
        for _ in range(2):
            company.do("recalculate", desk.recalculate)
            company.do("issue_all", desk.issue_all)
        company.do("recognize", desk.recognize, 0)


def _end(company: Company, schedule: BillingSchedule, day: date) -> None:
    end_schedule(schedule_id=schedule.id, end=day, now=company.now)
