"""The two ways in which a provider does not do what it was asked."""

from datetime import timedelta


class Refused(Exception):
    """The provider, or a comparison of its figures with ours, said no. A person must look.

    :param external_id: what exists over there in spite of it, if anything.
    """

    def __init__(
        self, message: str, *, external_id: str = "", response: dict[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.external_id, self.response = external_id, response or {}


class Unavailable(Exception):
    """No answer, or none that can be used, this time. Trying again can heal it.

    :param retry_after: how long the provider asked everybody to wait.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
