"""Changes that live because they change nothing anybody could see, each with the reason."""

EQUIVALENT: dict[tuple[str, str, str], str] = {}
