"""Made-up spans of two agents that OpenInference instruments: a manager that plans, asks a searcher, and answers."""

from credit_hooks.spans import SpanData

TRACE = "0af7651916cd43dd8448eb211c80319c"
TASK = '{"task": "How high is the tower?"}'
PLAN = "First ask the searcher, then answer."


def flat(prefix, *messages):
    attributes = {}
    for number, (role, content) in enumerate(messages):
        attributes[f"{prefix}.{number}.message.role"] = role
        attributes[f"{prefix}.{number}.message.content"] = content
    return attributes


def llm(number, parent, prompt, reply, *, at, extra=()):
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "small",
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": "7",
        **flat("llm.input_messages", *prompt),
        **flat("llm.output_messages", ("assistant", reply)),
        **dict(extra),
    }
    return span(number, parent, "call", attributes, at)


def span(number, parent, name, attributes, at, status="ok", message=None):
    return SpanData(
        name=name,
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id=None if parent is None else f"{parent:016x}",
        start_ns=at[0] * 1000,
        end_ns=at[1] * 1000,
        status=status,
        status_message=message,
        attributes=attributes,
        scope="openinference.instrumentation.made_up",
    )


def openinference_spans():
    manager = {"openinference.span.kind": "AGENT", "agent.name": "manager", "input.value": TASK}
    searcher = {"openinference.span.kind": "AGENT", "agent.name": "searcher"}
    tool = {"openinference.span.kind": "TOOL", "tool.name": "web", "input.value": "{}", "output.value": "[330, 300] m"}
    call = "llm.output_messages.0.message.tool_calls.0.tool_call"
    calls = {f"{call}.id": "c1", f"{call}.function.name": "web", f"{call}.function.arguments": '{"q": "tower"}'}
    told = (("system", "You search."), ("user", "[1, 2] How high is the tower?"))
    return [
        span(1, None, "manager.run", manager, (0, 100)),
        llm(2, 1, [("system", "You plan."), ("user", "How high is the tower?")], PLAN, at=(1, 5)),
        span(3, 1, "searcher.run", searcher, (10, 60)),
        llm(4, 3, told, "Let me look that up.", at=(11, 20), extra=calls),
        span(5, 3, "web", tool, (21, 30)),
        llm(
            6,
            3,
            (*told, ("assistant", "Let me look that up."), ("tool", "[330, 300] m")),
            "It is 330 m high, says the page.",
            at=(31, 40),
        ),
        llm(
            7,
            1,
            [
                ("system", "You plan."),
                ("user", "How high is the tower?"),
                ("assistant", f"[PLAN]:\n{PLAN}"),
                ("tool", "Observation:\n  It is 330 m high,\n  says the page."),
            ],
            "The answer is 330 m.",
            at=(70, 90),
        ),
    ]


def trail_document(**more):
    """The same spans as one of TRAIL's trees."""
    nodes = {
        span.span_id: {
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_span_id": span.parent_id,
            "span_name": span.name,
            "span_attributes": {key: str(value) for key, value in span.attributes.items()},
            "timestamp": f"2025-03-19T16:40:46.{span.start_ns // 1000:06d}Z",
            "duration": f"PT{(span.end_ns - span.start_ns) / 1e9:f}S",
            "status_code": span.status.title(),
            "status_message": "",
            "child_spans": [],
        }
        for span in openinference_spans()
    }
    for node in nodes.values():
        if node["parent_span_id"]:
            nodes[node["parent_span_id"]]["child_spans"].append(node)
    return {"trace_id": TRACE, "spans": [node for node in nodes.values() if not node["parent_span_id"]], **more}
