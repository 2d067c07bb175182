"""What the business rules refuse."""

import re


class Refusal(Exception):
    """A rule said no, and the sentence says why. Subclasses are named as sentences.

    Interfaces show the sentence to people and answer the API with 409 and ``code``.
    """

    @property
    def code(self) -> str:
        """Return the class name in snake case: stable, for machines."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
