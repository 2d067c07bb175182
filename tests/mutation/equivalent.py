"""Changes that live because they change nothing anybody could see, each with the reason."""

SIGN = "adding and taking off nothing come to the same"
SLOWER = "the longer way comes to the same"
NOTHING = "nothing either way"
ONE_ROUND = "one more round, in which nothing is left to yield"

# (module, function, change): reason
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "kernel/money.py",
        "Money.rounded",
        "(whole if numerator >= 0 else -whole) * unit + ZERO"
        " -> (whole if numerator >= 0 else -whole) * unit - ZERO",
    ): SIGN,
    ("kernel/money.py", "Money.rounded", "numerator >= 0 -> numerator > 0"): NOTHING,
    ("kernel/money.py", "Money.rounded", "0 -> 1"): "a numerator is whole",
    ("kernel/period.py", "_first_boundary_after", "1 -> 2"): ONE_ROUND,
    (
        "pricing/arithmetic.py",
        "fraction",
        "Fraction(value) if isinstance(value, (Decimal, Fraction, int)) else Fraction(str(value))"
        " -> Fraction(value) if not isinstance(value, (Decimal, Fraction, int))"
        " else Fraction(str(value))",
    ): "text is read alike both ways",
    ("pricing/modifiers.py", "true_up", "amount < minimum -> amount <= minimum"): NOTHING,
    ("pricing/modifiers.py", "amount_change", "left > ZERO -> left >= ZERO"): NOTHING,
    ("pricing/rating.py", "_reach_package.find", "billable > ZERO -> billable >= ZERO"): NOTHING,
    ("pricing/rating.py", "rate_capacity", "1 -> 2"): "the last tier holds everything",
    ("pricing/recurrence.py", "calendar_anchor", "12 -> 13"): "a month is at most the twelfth",
    ("pricing/recurrence.py", "billing_spans", "first < last -> first <= last"): ONE_ROUND,
    ("pricing/recurrence.py", "billing_spans", "full.end >= end -> full.end > end"): ONE_ROUND,
    ("pricing/seats.py", "_segments", "True -> False"): "both are as long",
    (
        "pricing/timeline.py",
        "contract_window",
        "max(0, day.year - terms.start_on.year - 1) -> min(0, day.year - terms.start_on.year - 1)",
    ): ONE_ROUND,
    ("pricing/timeline.py", "contract_window", "1 -> 2"): ONE_ROUND,
    (
        "pricing/estimate/items.py",
        "_explain_seats",
        "is_overage and item.overage_frequency is not None"
        " -> is_overage or item.overage_frequency is not None",
    ): "only a line with a rhythm for them has seats beyond",
    ("pricing/timeline.py", "window_around", "1 -> 2"): "what is around the day is found before",
    ("pricing/estimate/once.py", "price_once", "True -> False"): "both are as long",
    ("pricing/estimate/once.py", "_terms", "1 -> 2"): "a whole period is a window of its own",
    ("pricing/estimate/once.py", "_terms", "0 -> 1"): "nothing of a sample is due",
    ("pricing/estimate/once.py", "_item", "1 -> 2"): "usage and seats by day are measured",
    (
        "pricing/estimate/periods.py",
        "_units",
        "return measured.opening -> return None",
    ): "only usage accumulates",
    ("pricing/estimate/lines.py", "components_of", "True -> False"): "both are as long",
    ("pricing/estimate/periods.py", "_in_scope", "return False -> return None"): NOTHING,
    ("pricing/estimate/periods.py", "_charged", "0 -> 1"): "a phase's lines begin in its part",
    ("pricing/estimate/whole.py", "_years", "months > 0 -> months >= 0"): "none ends as it begins",
    (
        "pricing/estimate/compiled.py",
        "_heads",
        "_rounded(exact, unit) + ZERO -> _rounded(exact, unit) - ZERO",
    ): SIGN,
    **{
        ("pricing/estimate/computing.py", "is_whole", change): SLOWER
        for change in (
            "return False -> return None",
            "return True -> return None",
            "True -> False",
            "return bool(numerator == denominator) -> return None",
            "explanation['is_usage'] or isinstance(model, PercentOf)"
            " -> explanation['is_usage'] and isinstance(model, PercentOf)",
        )
    },
}
