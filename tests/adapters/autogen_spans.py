"""What AutoGen's runtime shows of a team of two, as it states it."""

import json

from credit_hooks.spans import SpanData

TEAM = "2a7dc2ca-30da-46eb-b48a-0fe9b0d3c9f9"
SCOPE = "autogen SingleThreadedAgentRuntime"
MANAGER = "RoundRobinGroupChatManager"


def said(number, source, content):
    return {
        "id": f"message-{number}",
        "source": source,
        "models_usage": None if source == "user" else {"prompt_tokens": number, "completion_tokens": 1},
        "metadata": {},
        "content": content,
        "type": "TextMessage",
    }


def autogen_spans():
    """A task, a turn of each member, and every delivery between them."""
    task, first, second = said(0, "user", "How high?"), said(1, "a", "9 m"), said(2, "b", "7 m")
    start = {"messages": [task], "output_task_messages": True}

    def response(message):
        return {"response": {"chat_message": message, "inner_messages": []}, "name": message["source"]}

    deliveries = [
        (MANAGER, None, start, True),
        ("a", MANAGER, start, False),
        ("b", MANAGER, start, False),
        ("a", MANAGER, {}, False),
        (MANAGER, "a", {"message": first}, False),
        ("b", "a", response(first), False),
        (MANAGER, "a", response(first), False),
        ("b", MANAGER, {}, False),
        (MANAGER, "b", {"message": second}, False),
        ("a", "b", response(second), False),
        (MANAGER, "b", response(second), False),
    ]
    return [_span(place, *delivery) for place, delivery in enumerate(deliveries)]


def _span(place, recipient, sender, message, is_rpc):
    attributes = {
        "recipient_agent_type": f"{recipient}_{TEAM}",
        "recipient_agent_class": MANAGER if recipient == MANAGER else "ChatAgentContainer",
        "message_context": json.dumps({"sender": str(sender), "is_rpc": is_rpc, "message_id": f"delivery-{place}"}),
        "message": json.dumps(message),
        "messaging.operation": "process",
    }
    if sender is not None:
        attributes["sender_agent_type"] = f"{sender}_{TEAM}"
    return SpanData(
        name=f"autogen process {recipient}_{TEAM}",
        trace_id=f"{1:032x}",
        span_id=f"{place + 1:016x}",
        start_ns=1_000 + place * 10,
        end_ns=1_005 + place * 10,
        attributes=attributes,
        scope=SCOPE,
    )
