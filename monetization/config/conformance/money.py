"""Commitments, credits, discounts, tax and totals of documents, credit notes."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from billing.domain.credit_notes import credit_unused
from billing.domain.credit_timeline import GrantPlan, Recurrence, Reset, Use, run
from billing.domain.documents import (
    DocumentDiscount,
    DocumentLine,
    DocumentTotals,
    spread,
    total_document,
)
from billing.domain.tax import TaxRate, line_tax
from monetization.config.conformance.registry import (
    UnknownShape,
    adapter,
    currency,
    instant,
    number,
    optional,
    result,
    some,
    tiers,
    units,
)
from monetization.config.conformance.timing import served
from monetization.kernel.money import Money, total
from monetization.pricing.arithmetic import as_decimal, total_of
from monetization.pricing.changes import prorated
from monetization.pricing.credits import NEVER, Grant, burn, pay_lines
from monetization.pricing.modifiers import (
    AmountOff,
    Discount,
    PercentOff,
    commitment_first,
    commitment_last,
    committed_charge,
    discount_steps,
    true_up,
)
from monetization.pricing.prices import Graduated, PerUnit
from monetization.pricing.rating import rate, rated_amount

Case = Mapping[str, Any]


@adapter("commitment.line_minimum_prorated")
def line_minimum(given: Case) -> Mapping[str, Any]:
    part = Fraction(int(given["days"]), some(given["period_days"]))
    minimum = prorated(number(given["minimum"]), part, currency(given))
    charged = sum((Fraction(number(fee)) for fee in given.get("usage_fees", ())), start=Fraction(0))
    missing = true_up(charged, Fraction(minimum.amount))
    return result(true_up=Money.rounded(missing, currency(given)))


@adapter("commitment.plan_minimum")
def plan_minimum(given: Case) -> Mapping[str, Any]:
    part, code = served(given), currency(given)
    whole = Fraction(1)
    minimum = prorated(
        number(given["minimum"]), part if given.get("prorate_minimum", True) else whole, code
    )
    fee = prorated(
        number(given.get("plan_fee"), "0"),
        part if given.get("prorate_plan_fee", True) else whole,
        code,
    )
    usage = [Money.rounded(number(amount), code) for amount in given.get("usage_fees", ())]
    charged = total([fee, *usage], code)
    missing = true_up(Fraction(charged.amount), Fraction(minimum.amount))
    return result(true_up=Money.rounded(missing, code))


@adapter("commitment.overage_factor")
def overage(given: Case) -> Mapping[str, Any]:
    usage = rated_amount(PerUnit(number(given["unit"])), units(given["quantity"]))
    commitment = given.get("commitment", given.get("minimum"))
    if commitment is None and given.get("commitment_quantity") is not None:
        commitment = rated_amount(
            PerUnit(number(given["unit"])), number(given["commitment_quantity"])
        )
    amount = committed_charge(
        Fraction(usage),
        Fraction(number(commitment)),
        Fraction(number(given.get("overage_factor"), "1")),
        tops_up=all(bool(value) for name, value in given.items() if "true_up" in name),
    )
    return result(amount=amount)


@adapter("commitment.usage_minimum_timing")
def minimum_timing(given: Case) -> Mapping[str, Any]:
    charges = [Fraction(number(amount)) for amount in given.get("period_usage_charges", ())]
    rule = commitment_last if given.get("charge_commit_on_usage") else commitment_first
    billed, at_end = rule(charges, Fraction(number(given["minimum"])))
    return result(charges=list(billed), period_end=at_end)


@adapter("credit_note.unused_period")
def unused_period(given: Case) -> Mapping[str, Any]:
    unused = served(
        {
            **given,
            "service_from": given["unused_from"],
            "service_to": given.get("unused_to", given["period_to"]),
        }
    )
    credit = credit_unused(
        number(given["amount"]), unused, number(given.get("tax_pct"), "0"), currency(given)
    )
    return result(sub_total=credit.net, taxes=credit.tax, total=credit.gross)


@adapter("credits.apply_to_lines")
def credits_on_lines(given: Case) -> Mapping[str, Any]:
    charges = rate(Graduated(tiers(given["tiers"])), units(given["quantity"]))
    lines = [(charge.key, charge.amount) for charge in charges if charge.amount]
    charged = sum((Fraction(amount) for _, amount in lines), start=Fraction(0))
    missing = true_up(charged, Fraction(number(given.get("minimum"), "0")))
    if missing:
        lines.append(("minimum", as_decimal(missing)))
    grants = [
        Grant(f"{place:06}", number(amount), created=place)
        for place, amount in enumerate(given.get("credits", ()))
    ]
    paid, _ = pay_lines(grants, {grant.id: grant.amount for grant in grants}, lines)
    return result(
        lines=[
            {
                "amount": line.amount,
                "credits": [consumption.amount for consumption in line.consumptions],
                "total": line.due,
            }
            for line in paid
        ]
    )


@adapter("credits.grant_engine")
def grant_engine(given: Case) -> Mapping[str, Any]:
    plans = [_plan(row, place) for place, row in enumerate(given.get("grants", ()))]
    keeps = bool(given.get("preserve_overage"))
    resets = [
        Reset(
            instant(row["at"] if isinstance(row, Mapping) else row),
            bool(row.get("preserve_overage", keeps)) if isinstance(row, Mapping) else keeps,
        )
        for row in given.get("resets") or ()
    ]
    standing = run(
        plans,
        [Use(instant(row["at"]), number(row["quantity"])) for row in given.get("usage", ())],
        instant(given["from"]),
        instant(given["until"]),
        resets,
        owed=number(given.get("overage_at_start"), "0"),
    )
    return result(balances=standing.balances, overage=standing.overage)


def _plan(row: Case, place: int) -> GrantPlan:
    effective = instant(row["effective_at"])
    expires = NEVER
    if row.get("expires_at"):
        expires = instant(row["expires_at"])
    elif row.get("expires_after_days") is not None:
        expires = effective + timedelta(days=int(row["expires_after_days"]))
    ended = [instant(row[name]) for name in ("voided_at", "deleted_at") if row.get(name)]
    grant = Grant(
        str(row["id"]),
        number(row["amount"]),
        int(row.get("priority", 0)),
        effective,
        expires,
        min(ended, default=NEVER),
        created=_created(row, place),
    )
    recurrence = None
    if row.get("recurs_every_days"):
        every = timedelta(days=int(row["recurs_every_days"]))
        recurrence = Recurrence(every, instant(row.get("recurrence_anchor", row["effective_at"])))
    return GrantPlan(
        grant,
        optional(row.get("balance_at_start")),
        recurrence,
        number(_any(row, "min"), "0"),
        number(_any(row, "max"), "0"),
    )


def _created(row: Case, place: int) -> int:
    stamp = row.get("created_at", row.get("created"))
    if stamp is None:
        return place
    return int(stamp) if str(stamp).isdigit() else int(instant(stamp).timestamp() * 1000)


def _any(row: Case, bound: str) -> Any:
    """Return a roll-over bound by whichever name the source gives it."""
    for name, value in row.items():
        if "roll" in name and isinstance(value, Mapping):
            return value.get(bound)
        if "roll" in name and bound in name:
            return value
    return None


@adapter("credits.wallet_fifo")
def wallet(given: Case) -> Mapping[str, Any]:
    grants = [
        Grant(
            str(row["id"]),
            number(row["amount"]),
            int(row.get("priority", 0)),
            cost_basis=Decimal(1)
            if row.get("type", row.get("source")) == "purchased"
            else Decimal(0),
            created=_created(row, place),
        )
        for place, row in enumerate(given.get("grants", ()))
    ]
    balances = {grant.id: grant.amount for grant in grants}
    fundings = []
    for amount in given["uses"]:
        burned = burn(grants, balances, number(amount))
        balances = burned.balances
        fundings.append({taken.grant_id: taken.amount for taken in burned.consumptions})
    return result(fundings=fundings, remaining=balances)


@adapter("discount.distribute")
def distribute(given: Case) -> Mapping[str, Any]:
    code = currency(given)
    amounts = {str(place): Fraction(number(line)) for place, line in enumerate(given["lines"])}
    off = spread(amounts, Money.rounded(number(given["discount"]), code))
    return result(net_lines=[amount - off[key] for key, amount in amounts.items()])


@adapter("discount.stack")
def stack(given: Case) -> Mapping[str, Any]:
    discounts: list[Discount] = []
    for coupon in given.get("coupons", ()):
        percent = coupon.get("pct", coupon.get("percent"))
        fixed = coupon.get("amount", coupon.get("fixed"))
        if percent is None and fixed is None:
            raise UnknownShape("a coupon is neither a percentage nor an amount")
        discounts.append(
            AmountOff(number(fixed)) if percent is None else PercentOff(number(percent))
        )
    order = str(given.get("precedence") or "as_listed")
    order = order if order.endswith(("then_fixed", "percentage")) else "as_listed"
    taken = discount_steps(Fraction(number(given["subtotal"])), discounts, order)
    whole = Money.rounded(total_of(taken), currency(given))
    subtotal = Money.rounded(number(given["subtotal"]), currency(given))
    return result(discount=whole, total=subtotal - whole)


@adapter("discount.sequential_fixed_coupons")
def sequential_coupons(given: Case) -> Mapping[str, Any]:
    code = currency(given)
    lines = [
        DocumentLine(str(line["id"]), Money.rounded(number(line["amount"]), code), _rates(line))
        for line in given["lines"]
    ]
    coupons = []
    for place, coupon in enumerate(given.get("coupons", ())):
        scope = coupon.get("applies_to")
        fixed = optional(coupon.get("amount"))
        coupons.append(
            DocumentDiscount(
                f"coupon {place + 1}",
                percent=optional(coupon.get("pct")),
                amount=None if fixed is None else Money.rounded(fixed, code),
                line_keys=frozenset(map(str, scope)) if scope else None,
            )
        )
    document = total_document(
        lines, code, discounts=coupons, tax_method="per_category", split="exact"
    )
    per_line = total_document(lines, code, discounts=coupons, split="exact")
    return result(
        line_discounts=document.line_discounts,
        line_taxes=per_line.tax.by_line,
        sub_total=document.subtotal,
        taxes=document.tax.total,
        total=document.total,
    )


def _rates(line: Case) -> tuple[TaxRate, ...]:
    percent = line.get("tax_pct")
    return () if percent is None else (TaxRate(f"{percent}%", number(percent)),)


@adapter("invoice.tax_order")
def tax_order(given: Case) -> Mapping[str, Any]:
    code = currency(given)
    coupons = Money.rounded(number(given.get("coupons"), "0"), code)
    credit = Money.rounded(number(given.get("prepaid_credits"), "0"), code)
    before = bool(given.get("credits_before_tax"))
    document = _document(
        given["fees"],
        given.get("tax_pct"),
        code,
        discounts=[
            DocumentDiscount(
                "coupons", amount=coupons, before_tax=bool(given.get("coupons_before_tax"))
            )
        ],
        promotional=credit if before else None,
        prepaid=None if before else credit,
    )
    return result(taxable=document.taxable, taxes=document.tax.total, total=document.due)


@adapter("invoice.total_with_tax")
def total_with_tax(given: Case) -> Mapping[str, Any]:
    base = prorated(number(given["amount"]), served(given), currency(given))
    taxes = line_tax(base, number(given.get("tax_pct"), "0"))
    return result(base=base, taxes=taxes, total=base + taxes)


@adapter("invoice.totals")
def totals(given: Case) -> Mapping[str, Any]:
    code = currency(given)
    coupons = Money.rounded(number(given.get("coupons"), "0"), code)
    document = _document(
        given["lines"],
        given.get("tax_pct"),
        code,
        discounts=[DocumentDiscount("coupons", amount=coupons)],
        credit_notes=Money.rounded(number(given.get("credit_notes_applied"), "0"), code),
        prepaid=Money.rounded(number(given.get("prepaid_credits"), "0"), code),
    )
    return result(
        fees=document.lines,
        sub_total=document.subtotal,
        taxes=document.tax.total,
        total=document.due,
    )


def _document(amounts: Any, percent: Any, code: str, **settings: Any) -> DocumentTotals:
    lines = [
        DocumentLine(str(place), Money.rounded(number(amount), code), _rates({"tax_pct": percent}))
        for place, amount in enumerate(amounts)
    ]
    return total_document(lines, code, tax_method="per_category", **settings)
