"""What can go wrong between an annotator and its backend.

::

    BackendError                       an annotation did not arrive; the text never holds a secret
    ├── BackendUnavailableError        no answer, an overload or a rate limit: the same request may work later
    ├── SpanNotFoundError              the backend does not know the span, or not yet
    └── BackendRefusedError            the backend said no: a wrong key, a wrong address, a payload it does not take
"""

from __future__ import annotations

from credit_hooks.errors import CreditHooksError

__all__ = ["BackendError", "BackendRefusedError", "BackendUnavailableError", "SpanNotFoundError"]


class BackendError(CreditHooksError):
    """A backend did not take an annotation."""


class BackendUnavailableError(BackendError):
    """The backend cannot be reached, or has too much to do.

    Args:
        message: What happened.
        retry_after: Seconds the backend asked to wait. None: it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SpanNotFoundError(BackendError):
    """The backend does not know a span or trace: it has not been taken in yet, or was never sent there."""


class BackendRefusedError(BackendError):
    """The backend refused, and would again.

    Args:
        message: What happened.
        status: HTTP status. None: the answer itself says no.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
