"""What Microsoft Agent Framework shows of a workflow of two agents, with contents, as it states it."""

import json

from credit_hooks.spans import LinkData, SpanData

TRACE = f"{1:032x}"


def said(role, *parts):
    return {
        "role": role,
        "parts": [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts],
    }


CALL = {"type": "tool_call", "id": "call-1", "name": "measure", "arguments": "{}"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "measure", "gen_ai.tool.call.id": "call-1"}
RESULT = {"type": "tool_call_response", "id": "call-1", "response": "9 m"}


def agent_framework_spans(*, content=True):
    """A task, an agent that calls a tool, another that is handed the conversation, and every span between them."""
    task = said("user", "How high?")
    first = [said("assistant", CALL), said("tool", RESULT), said("assistant", "It is 9 m.")]
    spans = [
        _span(1, None, "workflow.run", {"workflow.id": "w", "workflow.name": "Sequential"}),
        _executor(2, "input", []),
        _send(3, 2),
        _executor(4, "a", [3]),
        _turn(5, 4, "a", [task], first),
        _chat(6, 5, [task], [first[0]]),
        _span(7, 5, "execute_tool measure", TOOL),
        _chat(8, 5, [task, *first[:2]], [first[2]]),
        _send(9, 4),
        _executor(10, "b", [9]),
        _turn(11, 10, "b", [task, first[2]], [said("assistant", "9 m it is.")]),
        _chat(12, 11, [task, first[2]], [said("assistant", "9 m it is.")]),
    ]
    return spans if content else [_without_content(span) for span in spans]


def _without_content(span):
    hidden = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions")
    kept = {key: value for key, value in span.attributes.items() if key not in hidden}
    return SpanData(**{**{name: getattr(span, name) for name in SpanData.__slots__}, "attributes": kept})


def _operation(name):
    return {"gen_ai.operation.name": name}


def _executor(place, name, sends):
    attributes = {"executor.id": name, "executor.type": "AgentExecutor", "message.type": "MessageType.STANDARD"}
    return _span(place, 1, f"executor.process {name}", attributes, sends)


def _send(place, executor):
    return _span(place, executor, "message.send", {"message.type": "AgentExecutorResponse"})


def _turn(place, executor, name, given, wrote):
    attributes = {
        **_operation("invoke_agent"),
        "gen_ai.agent.name": name,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": f"You are {name}."}]),
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps(wrote),
    }
    return _span(place, executor, f"invoke_agent {name}", attributes)


def _chat(place, turn, given, wrote):
    attributes = {
        **_operation("chat"),
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": len(given),
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps(wrote),
    }
    return _span(place, turn, "chat m", attributes)


def _span(place, parent, name, attributes, links=()):
    return SpanData(
        name=name,
        trace_id=TRACE,
        span_id=f"{place:016x}",
        parent_id=None if parent is None else f"{parent:016x}",
        start_ns=1_000 + place * 10,
        end_ns=1_005 + place * 10,
        attributes=attributes,
        links=[LinkData(TRACE, f"{link:016x}") for link in links],
        scope="agent_framework",
    )
