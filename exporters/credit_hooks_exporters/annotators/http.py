"""JSON over HTTP to a backend: retries with backoff, rate limits honoured, no secret in any text that leaves here."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value

from credit_hooks.errors import ConfigurationError, MissingExtraError
from credit_hooks.worker import exiting
from credit_hooks_exporters.annotators.errors import BackendRefusedError, BackendUnavailableError, SpanNotFoundError

try:
    import httpx
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_exception_type,
        sleep_using_event,
        stop_before_delay,
        stop_when_event_set,
        wait_random_exponential,
    )
except ImportError as error:
    raise MissingExtraError("sending rewards to a tracing backend", "annotators") from error

__all__ = ["Address", "Connection"]

_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_MOST_TEXT: Final = 300
_backoff = wait_random_exponential(multiplier=0.5, max=15.0)


class Address:
    """Where a backend is, and what it wants to know of who asks.

    Args:
        url: Base URL, such as `http://localhost:6006`.
        variable: The environment variable it is set by, for errors.
        headers: Sent with every request. Empty values are left out.
        auth: User and password for basic authentication.

    Raises:
        ConfigurationError: the URL is none, or a header holds what HTTP cannot carry. Values are never quoted.
    """

    def __init__(
        self,
        url: str,
        variable: str,
        *,
        headers: Mapping[str, str | None] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url.strip())
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise ConfigurationError(f"{variable} is an address like http://localhost:6006")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.url: str = f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"
        """Base URL without user, password, query and trailing slash: may be shown."""
        if auth is None and parts.username:
            auth = (parts.username, parts.password or "")
        self.auth = auth
        self.headers = {name: value.strip() for name, value in (headers or {}).items() if value and value.strip()}
        for name, value in self.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ConfigurationError(f"the value for the header {name!r} holds a character that HTTP cannot carry")
        self._secrets = sorted(_secrets(self.headers.values(), auth), key=len, reverse=True)

    def redacted(self, text: str) -> str:
        """The text in one line, cut, without anything that was sent as a header or password."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = " ".join(text.split())
        return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "..."

    def __repr__(self) -> str:
        return f"Address({self.url!r})"


class Connection:
    """Requests to one address; sockets are open for the length of a `with`, which may be entered again.

    Args:
        address: Where to.
        patience: Seconds until a request that keeps failing is given up.
        on_wait: Told when a request has failed and is going to be sent again.
    """

    def __init__(self, address: Address, patience: float, on_wait: Callable[[str], None] = lambda _: None) -> None:
        self.address = address
        self._patience = patience
        self._on_wait = on_wait
        self._closed_until = 0.0
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        self._client = httpx.Client(
            headers=self.address.headers,
            auth=self.address.auth,
            timeout=_TIMEOUT,
            verify=_tls(),
            follow_redirects=False,  # the key is for this address alone
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def request(self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """Send, again where that may help, and decode the answer; None for an empty one.

        Raises:
            BackendUnavailableError: it kept failing until patience ran out, the process ends, or the backend asked to
                wait for longer than that.
            SpanNotFoundError: 404.
            BackendRefusedError: any other answer that is no success.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(BackendUnavailableError),
            stop=stop_before_delay(self._patience) | stop_when_event_set(exiting),
            wait=_wait,
            sleep=sleep_using_event(exiting),
            before_sleep=self._try_again,
            reraise=True,
        )
        return attempts(self._attempt, method, path, json, params)

    def _try_again(self, state: RetryCallState) -> None:
        if state.attempt_number == 1:
            self._on_wait(f"waiting for {self.address.url}: trying again, for up to {self._patience:.0f} s")

    def _attempt(self, method: str, path: str, json: Any, params: Mapping[str, str] | None) -> Any:
        self._hold_off()
        assert self._client is not None, "requests are made inside `with connection`"
        # our requests are no part of the user's traces, whatever instruments their HTTP client
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        try:
            answer = self._client.request(method, self.address.url + path, json=json, params=params)
        except httpx.RequestError as error:
            reason = self.address.redacted(f"{type(error).__name__} {error}")
            raise BackendUnavailableError(f"{self.address.url} cannot be reached: {reason}") from None
        finally:
            detach(token)
        return self._decoded(answer, f"{method} {self.address.url}{path}")

    def _decoded(self, answer: httpx.Response, what: str) -> Any:
        if answer.is_success:
            try:
                return answer.json() if answer.content else None
            except ValueError:
                raise BackendRefusedError(
                    f"{what} answered with something that is no JSON", answer.status_code
                ) from None
        said = f"{what} answered {answer.status_code}: {self.address.redacted(answer.text)}"
        if answer.status_code == 404:
            raise SpanNotFoundError(said)
        if answer.status_code in _LATER:
            seconds = _retry_after(answer.headers)
            self._closed_until = time.monotonic() + (seconds or 0.0)
            raise BackendUnavailableError(said, seconds)
        raise BackendRefusedError(said, answer.status_code)

    def _hold_off(self) -> None:
        left = self._closed_until - time.monotonic()
        if left > 0:
            raise BackendUnavailableError(f"{self.address.url} asked to wait {left:.0f} s more", left)


def _wait(state: RetryCallState) -> float:
    """What the backend asked for; otherwise exponential with full jitter, at most 15 s."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, BackendUnavailableError) else None
    return _backoff(state) if asked is None else asked


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `Retry-After`, a number or a date (RFC 9110, 10.2.3). None: not stated, or not readable."""
    stated = headers.get("retry-after", "")
    try:
        return max(0.0, float(stated))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(stated).timestamp() - time.time())
    except ValueError:
        return None


def _secrets(headers: Iterable[str], auth: tuple[str, str] | None) -> set[str]:
    """Every word of them, as an answer may quote a header without its scheme."""
    words = {word for value in headers for word in (value, *value.split())} | set(auth or ())
    if auth is not None:
        words.add(b64encode(":".join(auth).encode()).decode())
    return {word for word in words if len(word) > 3 and word.lower() != "bearer"}


@cache
def _tls() -> ssl.SSLContext:
    """Read once: the certificates of all authorities take tens of milliseconds."""
    return httpx.create_ssl_context()
