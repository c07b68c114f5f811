"""What every front door takes as keyword arguments, and the checks that say at once what cannot work later."""

from __future__ import annotations

import numbers
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from pydantic import ValidationError

from credit_hooks.credit import CreditConfig
from credit_hooks.encode import EncodingLimits
from credit_hooks.errors import ConfigurationError
from credit_hooks.ports import Evaluator, OnCredit, RunExporter
from credit_hooks.replay import Replayer, Replays

__all__ = [
    "CaptureOptions",
    "RewardDelivery",
    "check_names",
    "check_options",
    "credit_config",
    "replays",
    "shows_content",
]

RewardDelivery: TypeAlias = Literal["span", "event"]

_CONTENT_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class CaptureOptions(TypedDict, total=False):
    """What every front door takes as keyword arguments."""

    evaluate: Evaluator | None
    """Looks at a finished run (`run.answer`, `run.output`, `run.messages`, `run.error`): returns True, False, a score
    in [0, 1], an `Outcome`, or None if it is not known yet. May be async. Default: outcomes arrive through `score`."""
    credit: CreditConfig
    """How credit is assigned."""
    baseline: float | Literal["running", "group"]
    """Expected outcome before the run; short for `CreditConfig(baseline=...)`."""
    store: str | os.PathLike[str] | None
    """SQLite file that keeps every run, contents included, readable by its owner only. Default: none."""
    tracer_provider: TracerProvider | None
    """Where spans are shown. Default: the global provider."""
    meter_provider: MeterProvider | None
    """Where metrics for operators go. Default: the global provider."""
    exporters: Sequence[RunExporter]
    """Receive every credited run, on a worker thread."""
    on_credit: OnCredit | None
    """Called with every credited run, on a worker thread."""
    capture_content: bool | None
    """Whether spans show message contents. Default: as the environment variable
    `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says, which is no unless set."""
    reward_delivery: RewardDelivery
    """"span": span ends wait for the credit. "event": spans end at once, rewards follow as log events."""
    evaluate_timeout: float
    """Seconds an evaluator may take. Default 60."""
    max_held_spans: int
    """Most spans whose end waits for credit. Default 20,000."""
    max_hold_seconds: float
    """Longest time the ends of a run's spans wait. Default 600."""
    max_spans_per_run: int
    """Most steps recorded of one run. Default 50,000."""
    max_active_runs: int
    """Most runs going on at one time; further ones are not captured. Default 10,000."""
    max_queue: int
    """Most finished runs waiting for the worker. Default 1,000."""
    max_runs: int
    """Most credited runs kept in memory for `runs` and `score`. Default 1,000."""
    limits: EncodingLimits
    """How much content is kept of one message."""
    replay: Replayer | None
    """How runs can be run again, for `CreditConfig(method="replay")` and `counterfactual`. Default: they cannot."""


_NUMBERS = (
    "evaluate_timeout",
    "max_active_runs",
    "max_held_spans",
    "max_hold_seconds",
    "max_queue",
    "max_runs",
    "max_spans_per_run",
)


def check_names(names: Collection[str]) -> None:
    """Say at once which option there is none of.

    Raises:
        ConfigurationError: naming it, and those that there are.
    """
    unknown = set(names) - set(CaptureOptions.__annotations__)
    if unknown:
        known = ", ".join(sorted(CaptureOptions.__annotations__))
        raise ConfigurationError(f"unknown option {sorted(unknown)[0]!r}; the options are {known}")


def check_options(options: CaptureOptions) -> None:
    """Say at once what cannot work later.

    Raises:
        ConfigurationError: naming the option, and what it may be.
    """
    check_names(options)
    given: Mapping[str, Any] = options
    for name in _NUMBERS:
        value = given.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not float(value) >= 0:
            raise ConfigurationError(f"{name} is a number of at least 0, not {value!r}")
    for name in ("evaluate", "on_credit"):
        if given.get(name) is not None and not callable(given[name]):
            raise ConfigurationError(f"{name} is a function, not {given[name]!r}")
    if given.get("reward_delivery", "span") not in ("span", "event"):
        raise ConfigurationError(f"reward_delivery is 'span' or 'event', not {given['reward_delivery']!r}")
    if given.get("credit") is not None and not isinstance(given["credit"], CreditConfig):
        raise ConfigurationError(f"credit is a CreditConfig, not {given['credit']!r}")
    if given.get("store") is not None and not isinstance(given["store"], (str, os.PathLike)):
        raise ConfigurationError(f"store is the path of a file, not {given['store']!r}")
    for exporter in given.get("exporters", ()):
        if not callable(getattr(exporter, "export", None)):
            raise ConfigurationError(f"exporters have a method export(run); {exporter!r} has none")
    provider = given.get("tracer_provider")
    if provider is not None and not callable(getattr(provider, "get_tracer", None)):
        raise ConfigurationError(f"tracer_provider is an OpenTelemetry TracerProvider, not {provider!r}")
    meters = given.get("meter_provider")
    if meters is not None and not callable(getattr(meters, "get_meter", None)):
        raise ConfigurationError(f"meter_provider is an OpenTelemetry MeterProvider, not {meters!r}")


def replays(options: CaptureOptions, config: CreditConfig) -> Replays | None:
    """What can run runs again. None: nothing can.

    Raises:
        ConfigurationError: credit is to be by replay, and nothing can.
    """
    replayer = options.get("replay")
    if replayer is not None:
        return Replays(replayer, options.get("evaluate"), config)
    if config.method == "replay":
        raise ConfigurationError("CreditConfig(method='replay') needs replay=, which says how to run the team again")
    return None


def shows_content(options: CaptureOptions) -> bool:
    """Whether spans show message contents: as the option says, else as OpenTelemetry's variable does."""
    option = options.get("capture_content")
    if option is not None:
        return option
    return os.environ.get(_CONTENT_SWITCH, "").strip().upper() in ("SPAN_ONLY", "SPAN_AND_EVENT")


def credit_config(options: CaptureOptions) -> CreditConfig:
    """How credit is assigned, `baseline` included.

    Raises:
        ConfigurationError: the baseline is none.
    """
    config = options.get("credit") or CreditConfig()
    if "baseline" in options:
        try:
            config = CreditConfig(**{**dict(config), "baseline": options["baseline"]})
        except ValidationError as error:
            wrong = options["baseline"]
            raise ConfigurationError(
                f"baseline is a number from 0 to 1, 'running' or 'group', not {wrong!r}"
            ) from error
    return config
