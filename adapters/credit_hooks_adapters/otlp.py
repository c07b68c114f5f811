"""OTLP/JSON to span data: files of the collector, of Tempo, and of our own file exporter.

Source: opentelemetry-proto `trace.proto` and "JSON Protobuf Encoding" of the OTLP specification (ids are hex there).
Also read: ids in base64 (plain protobuf JSON), `batches` and `instrumentationLibrarySpans` (Tempo), snake_case names.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from credit_hooks.anyvalue import integer, text
from credit_hooks.spans import EventData, LinkData, SpanData, SpanStatus

__all__ = ["is_otlp", "spans_of"]

_RESOURCES: Final = ("resourceSpans", "batches", "resource_spans")
_SCOPES: Final = ("scopeSpans", "instrumentationLibrarySpans", "scope_spans", "instrumentation_library_spans")
_STATUSES: Final[Mapping[Any, SpanStatus]] = {
    1: "ok",
    2: "error",
    "1": "ok",
    "2": "error",
    "STATUS_CODE_OK": "ok",
    "STATUS_CODE_ERROR": "error",
}
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


def is_otlp(document: Any) -> bool:
    """Whether a JSON document is OTLP trace data."""
    return bool(_resources(document))


def spans_of(document: Any) -> Iterator[SpanData]:
    """The spans of a document, in its order; nothing where it is not OTLP. Spans without ids are left out."""
    for resource_spans in _resources(document):
        resource = _attributes(_get(_get(resource_spans, "resource"), "attributes"))
        for scope_spans in _first_list(resource_spans, _SCOPES):
            scope = _get(scope_spans, "scope") or _get(scope_spans, "instrumentationLibrary")
            scope_name = text(_get(scope, "name")) or ""
            for span in _list(_get(scope_spans, "spans")):
                read = _span(span, scope_name, resource)
                if read is not None:
                    yield read


def _resources(document: Any) -> list[Any]:
    """The resource spans of a document; Tempo wraps it in `trace`, some tools write a list of documents."""
    if isinstance(document, list):
        return [resource for item in document if isinstance(item, Mapping) for resource in _resources(item)]
    found = _first_list(document, _RESOURCES)
    inner = _get(document, "trace")
    return found or (_first_list(inner, _RESOURCES) if isinstance(inner, Mapping) else [])


def _span(span: Any, scope: str, resource: Mapping[str, Any]) -> SpanData | None:
    trace_id, span_id = _id(_either(span, "traceId", "trace_id"), 16), _id(_either(span, "spanId", "span_id"), 8)
    if trace_id is None or span_id is None:
        return None
    status = _get(span, "status")
    code = _get(status, "code")
    return SpanData(
        name=text(_get(span, "name")) or "",
        trace_id=trace_id,
        span_id=span_id,
        parent_id=_id(_either(span, "parentSpanId", "parent_span_id"), 8),
        start_ns=_time(_either(span, "startTimeUnixNano", "start_time_unix_nano")),
        end_ns=_time(_either(span, "endTimeUnixNano", "end_time_unix_nano")),
        status=_STATUSES.get(code, "unset") if isinstance(code, int | str) else "unset",
        status_message=text(_get(status, "message")) or None,
        attributes=_attributes(_get(span, "attributes")),
        events=tuple(_event(event) for event in _list(_get(span, "events"))),
        links=tuple(link for item in _list(_get(span, "links")) if (link := _link(item)) is not None),
        scope=scope,
        resource=resource,
    )


def _event(event: Any) -> EventData:
    time_ns = _time(_either(event, "timeUnixNano", "time_unix_nano"))
    return EventData(text(_get(event, "name")) or "", time_ns, _attributes(_get(event, "attributes")))


def _link(link: Any) -> LinkData | None:
    trace_id, span_id = _id(_either(link, "traceId", "trace_id"), 16), _id(_either(link, "spanId", "span_id"), 8)
    if trace_id is None or span_id is None:
        return None
    return LinkData(trace_id, span_id, _attributes(_get(link, "attributes")))


def _time(value: Any) -> int | None:
    """Nanoseconds; 0 is protobuf's way of saying nothing."""
    return integer(value) or None


def _id(value: Any, size: int) -> str | None:
    """An id of `size` bytes as lower-case hex. None: absent, all zero, or no id at all."""
    if not isinstance(value, str) or not value.isascii():
        return None
    digits = value.lower() if _HEX.fullmatch(value) and len(value) <= 2 * size else _hex_of_base64(value)
    if digits is None or len(digits) > 2 * size or not digits.strip("0"):
        return None
    return digits.zfill(2 * size)


def _hex_of_base64(value: str) -> str | None:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True).hex()
    except binascii.Error:
        return None


# --- AnyValue -----------------------------------------------------------------------------------------------------


def _attributes(attributes: Any) -> dict[str, Any]:
    """Key-value pairs to a dict; a plain JSON object is taken as it is."""
    if isinstance(attributes, Mapping):
        return {str(key): value for key, value in attributes.items()}
    pairs = ((text(_get(item, "key")), _get(item, "value")) for item in _list(attributes))
    return {key: _value(value) for key, value in pairs if key is not None}


def _value(value: Any) -> Any:
    """An AnyValue to Python: str, bool, int, float, bytes, list, dict, or None where it is empty or unreadable."""
    if not isinstance(value, Mapping):
        return value
    for kind, content in value.items():
        read = _READERS.get(kind)
        if read is not None:
            return read(content)
    return None


def _double(content: Any) -> float | None:
    """Protobuf JSON writes NaN and infinities as strings."""
    try:
        return float(content)
    except (TypeError, ValueError, OverflowError):
        return None


def _bytes(content: Any) -> bytes | None:
    try:
        return base64.b64decode(content) if isinstance(content, str) else None
    except ValueError:
        return None


_READERS: Final[Mapping[Any, Any]] = {
    "stringValue": text,
    "string_value": text,
    "boolValue": lambda content: content if isinstance(content, bool) else None,
    "bool_value": lambda content: content if isinstance(content, bool) else None,
    "intValue": integer,
    "int_value": integer,
    "doubleValue": _double,
    "double_value": _double,
    "bytesValue": _bytes,
    "bytes_value": _bytes,
    "arrayValue": lambda content: [_value(item) for item in _list(_get(content, "values"))],
    "array_value": lambda content: [_value(item) for item in _list(_get(content, "values"))],
    "kvlistValue": lambda content: _attributes(_list(_get(content, "values"))),
    "kvlist_value": lambda content: _attributes(_list(_get(content, "values"))),
}


# --- JSON of unknown shape ----------------------------------------------------------------------------------------


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _either(value: Any, key: str, other: str) -> Any:
    found = _get(value, key)
    return _get(value, other) if found is None else found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first_list(value: Any, keys: tuple[str, ...]) -> list[Any]:
    return next((found for key in keys if (found := _list(_get(value, key)))), [])
