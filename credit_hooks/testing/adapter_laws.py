"""Laws that every adapter keeps, for spans (`ADAPTER_LAWS`) and for logs (`LOG_ADAPTER_LAWS`).

A law takes an adapter and an undamaged sample of its dialect, and raises `AssertionError` where it is broken::

    @pytest.mark.parametrize("law", ADAPTER_LAWS, ids=lambda law: law.__name__)
    def test_my_adapter(law):
        law(ADAPTER, my_spans())

Give each law a fresh sample, since one law's changes would hide from the next.
Without a test framework: `check_adapter(ADAPTER, my_spans)`.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from credit_hooks.anyvalue import REDACTED
from credit_hooks.errors import TrajectoryError
from credit_hooks.ports import Adapter, LogAdapter
from credit_hooks.spans import SpanData
from credit_hooks.trajectory import Trajectory

__all__ = ["ADAPTER_LAWS", "LOG_ADAPTER_LAWS", "AdapterLaw", "LogAdapterLaw", "check_adapter", "check_log_adapter"]

AdapterLaw: TypeAlias = Callable[[Adapter, Sequence[SpanData]], None]
LogAdapterLaw: TypeAlias = Callable[[LogAdapter, Any], None]

_JUNK: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    10**30,
    float("nan"),
    "",
    "\ud800",
    '[{"role": "user", "par',
    "[" * 5000,
    b"\xff\x00",
    [],
    [None, 1, "a", b"\xff"],
    {},
    {"a": {"b": [float("inf"), ()]}},
)
"""What backends and cut files leave in place of a value."""


# --- Spans --------------------------------------------------------------------------------------------------------


def recognises_its_own_spans(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Its own spans surely, no spans not at all, a web server's less than its own; always within [0, 1]."""
    _expect(isinstance(adapter, Adapter) and bool(adapter.name), "an adapter has a name and the port's methods")
    own, none, foreign = adapter.recognises(spans), adapter.recognises([]), adapter.recognises([_foreign(spans[0])])
    _expect(0.5 <= own <= 1.0, f"own spans are recognised with {own}, not with 0.5 to 1")
    _expect(none == 0.0, f"no spans at all are recognised with {none}, not 0")
    _expect(0.0 <= foreign < own, f"a web server's span is recognised with {foreign}, own spans with {own}")


def order_of_spans_does_not_matter(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Any permutation of the spans gives equal trajectories, also when spans arrive twice."""
    expected = _read(adapter, spans)
    _expect(bool(expected), "the sample holds at least one run")
    for seed in range(10):
        shuffled = random.Random(seed).sample(list(spans), len(spans))  # noqa: S311 - not for secrets
        _expect(_read(adapter, shuffled) == expected, f"trajectories depend on the order of the spans (seed {seed})")
        _expect(_read(adapter, [*shuffled, *spans]) == expected, "trajectories change when spans arrive twice")


def reading_changes_no_span(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Spans are equal before and after, and a generator of spans is as good as a list."""
    before = copy.deepcopy(list(spans))
    first = _read(adapter, spans)
    _expect(list(spans) == before, "reading changed a span")
    _expect(list(adapter.trajectories(span for span in spans)) == first, "reading a generator differs from a list")


def foreign_spans_are_passed_over(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Spans of a web server below any span change nothing."""
    noise = [_foreign(span) for span in spans]
    _expect(_read(adapter, [*noise, *spans]) == _read(adapter, spans), "a web server's spans changed the trajectories")


def damaged_values_never_crash(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Any attribute may be missing, cut, or of any type."""
    for place, span in enumerate(spans):
        for damaged in _damaged_attributes(span):
            _survives(lambda spans: list(adapter.trajectories(spans)), [*spans[:place], damaged, *spans[place + 1 :]])


def lost_spans_never_crash(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Any span may be missing, without parent, its own parent, or without times."""
    for place, span in enumerate(spans):
        others = [*spans[:place], *spans[place + 1 :]]
        _survives(lambda spans: list(adapter.trajectories(spans)), others)
        for changes in ({"parent_id": None}, {"parent_id": span.span_id}, {"start_ns": None, "end_ns": None}):
            _survives(lambda spans: list(adapter.trajectories(spans)), [*others, replace(span, **changes)])


def redacted_content_is_withheld(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """`__REDACTED__` in place of any text is never read as content."""
    hidden = [
        replace(span, attributes={key: _redacted(value) for key, value in span.attributes.items()}) for span in spans
    ]
    try:
        runs = list(adapter.trajectories(hidden))
    except TrajectoryError:
        return
    shown = [message.id for run in runs for message in run.messages if REDACTED in message.text]
    _expect(not shown, f"messages {shown} show {REDACTED} as content")


def span_trajectories_are_sound(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """Ids are unique, references resolve, provenance has no cycle, JSON round-trips."""
    runs = _read(adapter, spans)
    _expect(len({run.id for run in runs}) == len(runs), "two runs share an id")
    for run in runs:
        _sound(run)


ADAPTER_LAWS: Final[tuple[AdapterLaw, ...]] = (
    recognises_its_own_spans,
    order_of_spans_does_not_matter,
    reading_changes_no_span,
    foreign_spans_are_passed_over,
    damaged_values_never_crash,
    lost_spans_never_crash,
    redacted_content_is_withheld,
    span_trajectories_are_sound,
)


def check_adapter(adapter: Adapter, spans: Sequence[SpanData]) -> None:
    """All laws of span adapters on one sample.

    Raises:
        AssertionError: a law is broken.
    """
    for law in ADAPTER_LAWS:
        law(adapter, copy.deepcopy(list(spans)))


# --- Logs ---------------------------------------------------------------------------------------------------------


def recognises_its_own_documents(adapter: LogAdapter, document: Any) -> None:
    """Its own documents surely, other JSON less than those; always within [0, 1]."""
    _expect(isinstance(adapter, LogAdapter) and bool(adapter.name), "an adapter has a name and the port's methods")
    own = adapter.recognises_document(document)
    _expect(0.5 <= own <= 1.0, f"an own document is recognised with {own}, not with 0.5 to 1")
    for other in (*_JUNK, {"resourceSpans": []}, [{"a": 1}]):
        score = adapter.recognises_document(other)
        _expect(0.0 <= score < own, f"{other!r} is recognised with {score}, an own document with {own}")


def reading_changes_no_document(adapter: LogAdapter, document: Any) -> None:
    """The document is equal before and after, and reads the same twice."""
    before = copy.deepcopy(document)
    first = list(adapter.read_document(document, "sample"))
    _expect(bool(first), "the sample holds at least one run")
    _expect(document == before, "reading changed the document")
    _expect(list(adapter.read_document(document, "sample")) == first, "the second reading differs")


def damaged_documents_never_crash(adapter: LogAdapter, document: Any) -> None:
    """Any value of the document may be missing, cut, or of any type; so may the document."""
    for damaged in (*_JUNK, *_damaged(document)):
        _survives(lambda damaged: list(adapter.read_document(damaged, "sample")), damaged)


def refusals_name_the_source(adapter: LogAdapter, document: Any) -> None:
    """What is no document of the dialect is refused by an error that names the file."""
    others: tuple[Any, ...] = ({}, [], None)
    for other in others:
        try:
            list(adapter.read_document(other, "folder/file.json"))
        except TrajectoryError as error:
            _expect("folder/file.json" in str(error), f"the error does not name the source: {error}")
        else:
            raise AssertionError(f"{other!r} was read as a log")


def log_trajectories_are_sound(adapter: LogAdapter, document: Any) -> None:
    """Ids are unique, references resolve, provenance has no cycle, JSON round-trips."""
    for run in adapter.read_document(document, "sample"):
        _sound(run)


LOG_ADAPTER_LAWS: Final[tuple[LogAdapterLaw, ...]] = (
    recognises_its_own_documents,
    reading_changes_no_document,
    damaged_documents_never_crash,
    refusals_name_the_source,
    log_trajectories_are_sound,
)


def check_log_adapter(adapter: LogAdapter, document: Any) -> None:
    """All laws of log adapters on one sample.

    Raises:
        AssertionError: a law is broken.
    """
    for law in LOG_ADAPTER_LAWS:
        law(adapter, copy.deepcopy(document))


# --- What the laws share ------------------------------------------------------------------------------------------


def _expect(holds: bool, otherwise: str) -> None:
    """`assert` that also holds under `python -O`."""
    if not holds:
        raise AssertionError(otherwise)


def _read(adapter: Adapter, spans: Sequence[SpanData]) -> list[Trajectory]:
    return list(adapter.trajectories(spans))


def _survives(read: Callable[[Any], list[Trajectory]], source: Any) -> None:
    """Refused by a TrajectoryError, or read to something that the schema can write down. Anything else is a crash."""
    try:
        runs = read(source)
    except TrajectoryError:
        return
    for run in runs:
        run.model_dump_json()
        for message in run.messages:
            run.parents(message.id)


def _foreign(below: SpanData) -> SpanData:
    return SpanData(
        name="GET /health",
        trace_id=below.trace_id,
        span_id=below.span_id[::-1].replace("0", "e"),
        parent_id=below.span_id,
        start_ns=below.start_ns,
        end_ns=below.end_ns,
        attributes={"http.request.method": "GET", "http.response.status_code": 200},
        scope="a.web.server",
    )


def _damaged_attributes(span: SpanData) -> Iterator[SpanData]:
    for key in span.attributes:
        yield replace(span, attributes={other: value for other, value in span.attributes.items() if other != key})
        for junk in _JUNK:
            yield replace(span, attributes={**span.attributes, key: junk})


def _damaged(document: Any) -> Iterator[Any]:
    """Copies of a document with one value at any depth replaced or, in objects, removed."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield {other: kept for other, kept in document.items() if other != key}
            yield from ({**document, key: damaged} for damaged in (*_JUNK, *_damaged(value)))
    elif isinstance(document, list):
        for place, value in enumerate(document[:3]):
            for damaged in (*_JUNK, *_damaged(value)):
                yield [*document[:place], damaged, *document[place + 1 :]]


def _redacted(value: Any) -> Any:
    return REDACTED if isinstance(value, str) and value[:1] in ("[", "{") else value


def _sound(run: Trajectory) -> None:
    ids = [message.id for message in run.messages]
    steps = {step.id for step in run.steps}
    _expect(len(set(ids)) == len(ids), "two messages share an id")
    _expect(len(steps) == len(run.steps), "two steps share an id")
    _expect(len({actor.id for actor in run.actors}) == len(run.actors), "two actors share an id")
    indices = [message.index for message in run.messages]
    _expect(indices == sorted(indices), "messages are not in the order of their index")
    for message in run.messages:
        _expect(message.actor_id in run.actor_by_id, f"author {message.actor_id!r} of {message.id!r} is no actor")
        named = {message.step_id, message.generated_by} - {None}
        _expect(named <= steps, f"message {message.id!r} names steps that do not exist")
    for step in run.steps:
        parents = {step.parent_id, step.reads.base} - {None}
        _expect(parents <= steps, f"step {step.id!r} names steps that do not exist")
        read = {*step.reads.new, *step.output_message_ids}
        _expect(read <= set(ids), f"step {step.id!r} names messages that do not exist")
    _expect(_acyclic(run), "a message is its own ancestor")
    _expect(
        Trajectory.model_validate_json(run.model_dump_json()) == run, "the trajectory changes on its way through JSON"
    )


def _acyclic(run: Trajectory) -> bool:
    """Kahn's algorithm: every message can be written after all it was written from."""
    waiting = {message.id: set(run.parents(message.id)) for message in run.messages}
    while waiting:
        ready = {message_id for message_id, parents in waiting.items() if not parents & waiting.keys()}
        if not ready:
            return False
        waiting = {message_id: parents for message_id, parents in waiting.items() if message_id not in ready}
    return True
