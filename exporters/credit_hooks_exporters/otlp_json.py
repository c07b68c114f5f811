"""Finished OpenTelemetry spans as OTLP/JSON, with the SDK alone.

Source: opentelemetry-proto `trace.proto`, "JSON Protobuf Encoding" of the OTLP specification: ids in hex, 64-bit
integers as strings, enums as numbers, bytes in base64. No attribute value raises: what AnyValue cannot express is
written as its bounded `repr`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from credit_hooks.anyvalue import json_value, text

__all__ = ["traces_data"]

_MAX_DEPTH = 32


def traces_data(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """A TracesData document: spans grouped by resource, then by instrumentation scope, order kept within."""
    resources: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        resources.setdefault(id(span.resource), []).append(span)
    return {"resourceSpans": [_resource_spans(group) for group in resources.values()]}


def _resource_spans(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    resource = spans[0].resource
    scopes: dict[tuple[str, str | None, str | None], list[ReadableSpan]] = {}
    for span in spans:
        scope = span.instrumentation_scope
        key = ("", None, None) if scope is None else (scope.name, scope.version, scope.schema_url)
        scopes.setdefault(key, []).append(span)
    document = {
        "resource": {"attributes": _attributes(resource.attributes)},
        "scopeSpans": [_scope_spans(group) for group in scopes.values()],
    }
    return document | _stated({"schemaUrl": resource.schema_url})


def _scope_spans(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    scope = spans[0].instrumentation_scope
    document = {"scope": {} if scope is None else _scope(scope), "spans": [_span(span) for span in spans]}
    return document | ({} if scope is None else _stated({"schemaUrl": scope.schema_url}))


def _scope(scope: InstrumentationScope) -> dict[str, Any]:
    described = {"name": scope.name, "version": scope.version, "attributes": _attributes(scope.attributes)}
    return _stated(described)


def _span(span: ReadableSpan) -> dict[str, Any]:
    context, parent = span.get_span_context(), span.parent
    optional = {
        "parentSpanId": None if parent is None else f"{parent.span_id:016x}",
        "endTimeUnixNano": None if span.end_time is None else str(span.end_time),
        "droppedAttributesCount": span.dropped_attributes,
        "events": [_event(event) for event in span.events],
        "droppedEventsCount": span.dropped_events,
        "links": [_link(link) for link in span.links],
        "droppedLinksCount": span.dropped_links,
    }
    return {
        **({} if context is None else _ids(context)),
        "name": text(span.name) or "",
        "kind": span.kind.value + 1,  # the SDK counts from 0, the protocol has 0 for "unspecified"
        "startTimeUnixNano": str(span.start_time or 0),
        "attributes": _attributes(span.attributes),
        "status": _stated({"code": span.status.status_code.value, "message": text(span.status.description)}),
        **_stated(optional),
    }


def _ids(context: SpanContext) -> dict[str, Any]:
    state = context.trace_state.to_header()
    ids = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "flags": int(context.trace_flags),
    }
    return ids | _stated({"traceState": state})


def _event(event: Any) -> dict[str, Any]:
    document = {
        "timeUnixNano": str(event.timestamp),
        "name": text(event.name) or "",
        "attributes": _attributes(event.attributes),
    }
    return document | _stated({"droppedAttributesCount": event.dropped_attributes})


def _link(link: Any) -> dict[str, Any]:
    document = {**_ids(link.context), "attributes": _attributes(link.attributes)}
    return document | _stated({"droppedAttributesCount": link.dropped_attributes})


def _stated(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without what protobuf leaves out: None, 0, "" and empty lists."""
    return {key: value for key, value in document.items() if value}


def _attributes(attributes: Mapping[Any, Any] | None) -> list[dict[str, Any]]:
    return [{"key": text(str(key)), "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any, depth: int = 0) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return {"intValue": str(int(value))}
    if isinstance(value, float):
        return {"doubleValue": float(value) if math.isfinite(value) else _infinite(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytesValue": base64.b64encode(value).decode()}
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {"kvlistValue": {"values": _pairs(value.items(), depth + 1)}}
        if isinstance(value, list | tuple):
            return {"arrayValue": {"values": [_value(item, depth + 1) for item in value]}}
    # Beyond 64 bits there is no intValue; in hex, as decimal digits of huge integers raise.
    return {"stringValue": hex(value) if isinstance(value, int) else str(json_value(value))}


def _pairs(items: Iterable[tuple[Any, Any]], depth: int) -> list[dict[str, Any]]:
    return [{"key": text(str(key)), "value": _value(value, depth)} for key, value in items]


def _infinite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
