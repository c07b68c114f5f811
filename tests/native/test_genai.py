"""GenAI messages: what we encode comes back equal, what others wrote is never a crash, what is hidden stays hidden."""

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.anyvalue import REDACTED
from credit_hooks.genai import decode_message, decode_part, encode_message, encode_part
from credit_hooks.trajectory import (
    BlobPart,
    DataPart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    WithheldPart,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda word: word != REDACTED)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
maybe = st.none() | words
sizes = st.none() | st.integers(min_value=0)
parts = st.one_of(
    st.builds(TextPart, text=words),
    st.builds(ReasoningPart, text=words),
    st.builds(DataPart, name=maybe, value=json_values),
    st.builds(ToolCallPart, id=maybe, name=words, arguments=json_values),
    st.builds(ToolResultPart, id=maybe, name=maybe, result=json_values, is_error=st.none() | st.booleans()),
    st.builds(
        BlobPart,
        mime_type=maybe | st.just("image/png"),
        uri=maybe.filter(lambda uri: not (uri or "").startswith("data:")),
        sha256=maybe,
        size=sizes,
    ),
    st.builds(WithheldPart, sha256=maybe, length=sizes),
)


@given(words, maybe, st.lists(parts, max_size=3))
def test_what_we_encode_comes_back_equal_through_json(role, name, content):
    encoded = json.loads(json.dumps(encode_message(role, content, name=name)))
    assert decode_message(encoded) == (role, name, tuple(content))


@given(parts)
def test_every_part_states_its_type(part):
    assert encode_part(part)["type"] in {
        "text", "reasoning", "data", "tool_call", "tool_call_response", "uri", "blob", "withheld",
    }  # fmt: skip


junk = st.sampled_from(
    [None, True, 3, 2**5000, float("nan"), "", "\ud800", b"\xff", [], [None, 1], {}, {"a": {1: {2: b"x"}}}, object()]
)
kinds = st.sampled_from(
    ["text", "reasoning", "data", "tool_call", "tool_call_response", "uri", "blob", "withheld", "file", None, 7, []]
)
keys = ["content", "text", "id", "name", "arguments", "result", "response", "is_error", "uri", "mime_type", "value"]
foreign_parts = st.fixed_dictionaries(
    {"type": kinds}, optional=dict.fromkeys([*keys, "sha256", "size", "length"], junk)
)


@given(
    junk
    | st.fixed_dictionaries(
        {},
        optional={
            "role": junk,
            "name": junk,
            "content": junk | st.lists(junk | foreign_parts),
            "parts": junk | st.lists(junk | foreign_parts),
        },
    )
)
def test_foreign_messages_are_read_and_can_be_written_down(message):
    role, name, content = decode_message(message)
    assert role is None or isinstance(role, str)
    assert name is None or isinstance(name, str)
    Message(id="m", index=0, actor_id="a", parts=content).model_dump_json()


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_cyclic_and_deep_values_are_bounded():
    cycle = []
    cycle.append(cycle)
    for value in (cycle, nested(500)):
        part = decode_part({"type": "data", "name": "x", "value": value})
        assert len(Message(id="m", index=0, actor_id="a", parts=(part,)).model_dump_json()) < 5000


def test_objects_whose_repr_raises_are_no_crash():
    class Rude:
        def __repr__(self):
            raise RuntimeError("no")

    assert isinstance(decode_part({"type": "data", "value": Rude()}), DataPart)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("hello", (None, None, (TextPart(text="hello"),))),
        (None, (None, None, ())),
        ({"role": "user", "content": "hello"}, ("user", None, (TextPart(text="hello"),))),
        ({"role": "user", "content": [{"type": "text", "text": "hi"}]}, ("user", None, (TextPart(text="hi"),))),
        ({"role": "user", "parts": [{"type": "text", "content": None}]}, ("user", None, ())),
        ({"role": "user", "parts": [{"type": "text", "content": ""}]}, ("user", None, (TextPart(text=""),))),
        ({"parts": [{"type": "tool_call", "name": "f"}]}, (None, None, (ToolCallPart(name="f"),))),
        (
            {"parts": [{"type": "tool_call_response", "id": "1", "response": {"a": 1}}]},
            (None, None, (ToolResultPart(id="1", result={"a": 1}),)),
        ),
        (
            {"parts": [{"type": "video_frame", "n": 3}]},
            (None, None, (DataPart(name="video_frame", value={"type": "video_frame", "n": 3}),)),
        ),
        (
            {"parts": [{"type": "text", "content": {"a": 1}}]},
            (None, None, (DataPart(name="text", value={"type": "text", "content": {"a": 1}}),)),
        ),
    ],
)
def test_known_foreign_forms(message, expected):
    assert decode_message(message) == expected


@pytest.mark.parametrize(
    "part",
    [
        REDACTED,
        {"type": "text", "content": REDACTED},
        {"type": "reasoning", "content": REDACTED},
        {"type": "tool_call_response", "result": REDACTED},
    ],
)
def test_redacted_content_is_withheld(part):
    assert decode_part(part) == WithheldPart()


def test_bytes_are_never_kept_inline():
    raw = b"\x89PNG bytes"
    encoded = base64.b64encode(raw).decode()
    expected = BlobPart(mime_type="image/png", sha256=hashlib.sha256(raw).hexdigest(), size=len(raw))
    uri = f"data:image/png;base64,{encoded}"
    assert decode_part({"type": "blob", "mime_type": "image/png", "content": encoded}) == expected
    assert decode_part({"type": "blob", "mime_type": "image/png", "content": raw}) == expected
    assert decode_part({"type": "uri", "uri": uri}) == expected
    assert decode_part(encode_part(BlobPart(uri=uri))) == expected
    assert encoded not in json.dumps(encode_part(BlobPart(uri=uri)))
