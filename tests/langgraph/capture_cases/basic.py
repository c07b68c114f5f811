"""Nodes and edges: sequences, fan-out, conditions, `Send`, `Command`."""

import operator
from typing import Annotated, TypedDict

from capture_cases.kit import Turn, topology, user
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send


def say(text, **update):
    """A node that writes one message."""

    def node(state):
        return {"messages": [AIMessage(text)], **update}

    return node


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "draft:a draft": ["user:task"],
            "review:a review": ["user:task", "draft:a draft"],
            "publish:published": ["user:task", "draft:a draft", "review:a review"],
        },
        answer="published",
    )
)
def sequential(mode):
    builder = StateGraph(MessagesState)
    builder.add_sequence(
        [("draft", mode(say("a draft"))), ("review", mode(say("a review"))), ("publish", mode(say("published")))]
    )
    builder.add_edge(START, "draft")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "plan:a plan": ["user:task"],
            "left:from the left": ["user:task", "plan:a plan"],
            "right:from the right": ["user:task", "plan:a plan"],
            "join:joined": ["user:task", "plan:a plan", "left:from the left", "right:from the right"],
        },
        answer="joined",
    )
)
def fan_out_and_join(mode):
    builder = StateGraph(MessagesState)
    builder.add_node("plan", mode(say("a plan")))
    builder.add_node("left", mode(say("from the left")))
    builder.add_node("right", mode(say("from the right")))
    builder.add_node("join", mode(say("joined")))
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "left")
    builder.add_edge("plan", "right")
    builder.add_edge(["left", "right"], "join")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "judge:needs work": ["user:task"],
            "mend:mended": ["user:task", "judge:needs work"],
        },
        answer="mended",
    )
)
def conditional_edges(mode):
    def route(state):
        return "mend" if state["messages"][-1].content == "needs work" else "done"

    builder = StateGraph(MessagesState)
    builder.add_node("judge", mode(say("needs work")))
    builder.add_node("mend", mode(say("mended")))
    builder.add_node("done", mode(say("done")))
    builder.add_edge(START, "judge")
    builder.add_conditional_edges("judge", mode(route), ["mend", "done"])
    return builder.compile()


@topology(
    Turn(
        user("a sum"),
        {"user:a sum": [], "sums:42": ["user:a sum"], "check:right": ["user:a sum", "sums:42"]},
        answer="right",
    )
)
def conditional_entry(mode):
    def route(state):
        return "sums" if "sum" in state["messages"][-1].content else "words"

    builder = StateGraph(MessagesState)
    builder.add_node("sums", mode(say("42")))
    builder.add_node("words", mode(say("words")))
    builder.add_node("check", mode(say("right")))
    builder.add_conditional_edges(START, mode(route), ["sums", "words"])
    builder.add_edge("sums", "check")
    builder.add_edge("words", "check")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "work:round 1": ["user:task"],
            "work:round 2": ["user:task", "work:round 1"],
            "work:round 3": ["user:task", "work:round 1", "work:round 2"],
        },
        answer="round 3",
    )
)
def loop(mode):
    def work(state):
        return {"messages": [AIMessage(f"round {len(state['messages'])}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("work", mode(work))
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", lambda state: END if len(state["messages"]) > 3 else "work")
    return builder.compile()


class Jokes(TypedDict, total=False):
    topic: str
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


@topology(
    Turn(
        lambda: {"topic": "animals"},
        {
            "user:topic: animals": [],
            'plan:subjects: ["cats", "dogs"]': ["user:topic: animals"],
            'write:jokes: ["joke on cats"]': ['plan:subjects: ["cats", "dogs"]'],
            'write:jokes: ["joke on dogs"]': ['plan:subjects: ["cats", "dogs"]'],
            "pick:best: joke on dogs": [
                "user:topic: animals",
                'plan:subjects: ["cats", "dogs"]',
                'write:jokes: ["joke on cats"]',
                'write:jokes: ["joke on dogs"]',
            ],
        },
        answer="best: joke on dogs",
    )
)
def send_map_reduce(mode):
    def plan(state):
        return {"subjects": ["cats", "dogs"]}

    def write(state):
        return {"jokes": [f"joke on {state['subject']}"]}

    def pick(state):
        return {"best": state["jokes"][-1]}

    def spread(state):
        return [Send("write", {"subject": subject}) for subject in state["subjects"]]

    builder = StateGraph(Jokes)
    builder.add_node("plan", mode(plan))
    builder.add_node("write", mode(write))
    builder.add_node("pick", mode(pick))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", mode(spread), ["write"])
    builder.add_edge("write", "pick")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "plan:a plan": ["user:task"],
            "work:did part 1": ["plan:a plan"],
            "work:did part 2": ["plan:a plan"],
            "sum:both done": ["user:task", "plan:a plan", "work:did part 1", "work:did part 2"],
        },
        answer="both done",
    )
)
def send_messages(mode):
    """Each worker is sent the plan alone, and a number nobody wrote."""

    def spread(state):
        return [Send("work", {"messages": state["messages"][-1:], "part": part}) for part in ("part 1", "part 2")]

    def work(state):
        return {"messages": [AIMessage(f"did {state['part']}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("plan", mode(say("a plan")))
    builder.add_node("work", mode(work))
    builder.add_node("sum", mode(say("both done")))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", spread, ["work"])
    builder.add_edge("work", "sum")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "triage:to the expert": ["user:task"],
            "expert:expert answer": ["user:task", "triage:to the expert"],
        },
        answer="expert answer",
    )
)
def command_goto(mode):
    def triage(state) -> Command:
        return Command(goto="expert", update={"messages": [AIMessage("to the expert")]})

    builder = StateGraph(MessagesState)
    builder.add_node("triage", mode(triage), destinations=("expert", "novice"))
    builder.add_node("expert", mode(say("expert answer")))
    builder.add_node("novice", mode(say("novice answer")))
    builder.add_edge(START, "triage")
    return builder.compile()


@topology(
    Turn(
        user(),
        {
            "user:task": [],
            "split:two parts": ["user:task"],
            "solve:solved alpha": ["split:two parts"],
            "solve:solved beta": ["split:two parts"],
            "merge:merged": ["user:task", "split:two parts", "solve:solved alpha", "solve:solved beta"],
        },
        answer="merged",
    )
)
def command_goto_with_send(mode):
    """What a sender makes up on sending counts as part of what it wrote in that turn."""

    def split(state) -> Command:
        parts = [Send("solve", {"part": part}) for part in ("alpha", "beta")]
        return Command(goto=parts, update={"messages": [AIMessage("two parts")]})

    def solve(state):
        return {"messages": [AIMessage(f"solved {state['part']}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("split", mode(split), destinations=("solve",))
    builder.add_node("solve", mode(solve))
    builder.add_node("merge", mode(say("merged")))
    builder.add_edge(START, "split")
    builder.add_edge("solve", "merge")
    return builder.compile()
