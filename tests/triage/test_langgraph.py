"""LangChain agents that are asked again: capped, recorded, and otherwise as without."""

import threading
import time

import pytest

pytest.importorskip("langchain.agents", reason="LangChain is not installed: pip install 'credit-hooks[triage]'")

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from triage_kit import TRACEBACK

from credit_hooks.langgraph import CreditCallback
from credit_hooks.langgraph.triage import TriageMiddleware
from credit_hooks.store import RunStore
from credit_hooks.triage import RULES, Finding, Judged, RetryLimits, TriagePolicy, TriageQueue
from credit_hooks_adapters import read
from credit_hooks_exporters import OTLPFileSpanExporter

CALL = {"name": "lookup", "args": {"city": "Bonn"}, "id": "c1", "type": "tool_call"}
BLAME = TriagePolicy(below_probability=None, below_confidence=None, low_evidence=False, least_blame=0.2)


class Scripted(BaseChatModel):
    """Calls a tool, makes an answer up, and does what it is told when it is told."""

    answers: list
    prompts: list = []

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.prompts.append(list(messages))
        answer = self.answers.pop(0) if self.answers else AIMessage("nothing left to say")
        if isinstance(answer, threading.Event):
            answer.wait(30)
            answer = AIMessage("too late")
        if isinstance(answer, BaseException):
            raise answer
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def bind_tools(self, tools, **kwargs):
        return self

    @property
    def _llm_type(self):
        return "scripted"


def made_up(*retries):
    """The model calls a tool that fails, and answers all the same; then what the retries say."""
    return Scripted(answers=[AIMessage("", tool_calls=[CALL]), AIMessage("The answer is 42."), *retries], prompts=[])


class Desk:
    """An agent with a tool that always fails, captured, with triage."""

    def __init__(self, model, limits=None, path=None, queue=None, exported=None, **options):
        self.spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        if exported is not None:
            provider.add_span_processor(SimpleSpanProcessor(OTLPFileSpanExporter(exported)))
        self.provider = provider
        self.model, self.lookups = model, 0
        self.queue = queue or TriageQueue(BLAME, store=path)
        self.middleware = TriageMiddleware(
            limits or RetryLimits(total=10), queue=self.queue, tracer_provider=provider, **options
        )
        self.callback = CreditCallback(
            evaluate=lambda run: "43" in run.answer,
            store=path,
            exporters=[self.queue],
            tracer_provider=provider,
            capture_content=True,
        )
        self.agent = self.build([self.middleware])

    def build(self, middleware, **options):
        def lookup(city: str) -> str:
            """Number of inhabitants."""
            self.lookups += 1
            return TRACEBACK

        return create_agent(
            self.model, [lookup], middleware=middleware, name="worker", system_prompt="Be brief.", **options
        )

    def config(self, **configurable):
        return {"callbacks": [self.callback], "configurable": configurable}

    def ask(self, agent=None, text="How many live in Bonn?", **configurable):
        out = (agent or self.agent).invoke({"messages": [("user", text)]}, config=self.config(**configurable))
        assert self.callback.flush()
        assert self.callback.failures == []
        return out["messages"]

    @property
    def run(self):
        return self.callback.last


def texts(messages):
    return [str(message.text) for message in messages]


def test_an_answer_that_ignores_an_error_is_asked_for_again_and_no_tool_runs_again(tmp_path):
    desk = Desk(
        made_up(AIMessage("", tool_calls=[{**CALL, "id": "c2"}]), AIMessage("I could not find out, 43.")),
        path=tmp_path / "r.db",
    )
    messages = desk.ask()
    assert "The answer is 42." not in texts(messages)
    assert messages[-1].text == "I could not find out, 43."
    assert desk.lookups == 2, "the call that the retry asked for is a new one; none was repeated for it"
    assert desk.middleware.stats["kept"] == 1
    critique = desk.model.prompts[2]
    assert [message.type for message in critique[-2:]] == ["ai", "human"]
    assert critique[-2].text == "The answer is 42."
    assert "lookup" in critique[-1].text


def test_a_retry_is_a_span_below_its_step_and_a_label_of_its_run(tmp_path):
    desk = Desk(made_up(AIMessage("", tool_calls=[CALL])), path=tmp_path / "r.db")
    desk.ask()
    span = next(span for span in desk.spans.get_finished_spans() if span.name == "retry worker")
    step = f"{span.parent.span_id:016x}"
    assert desk.run.trajectory.step_by_id[step].actor_id == "worker"
    assert span.attributes["credit.retry.end"] == "kept"
    assert span.attributes["credit.retry.signals"] == ("unrepaired_error",)
    assert not any("42" in str(value) for value in span.attributes.values())
    with RunStore(tmp_path / "r.db", read_only=True) as store:
        labels = [label for label in store.get(desk.run.trajectory.id).trajectory.labels if label.name == "retry"]
    assert [(label.target, label.target_id, label.category) for label in labels] == [("step", step, "kept")]
    chats = [one for one in desk.run.trajectory.steps if one.kind == "chat" and one.parent_id == step]
    assert len(chats) == 2, "the first answer's call is in the trace too"


def test_a_retry_that_is_no_better_changes_nothing():
    desk = Desk(made_up(AIMessage("Well, 43 then.")))
    assert texts(desk.ask())[-1] == "The answer is 42."
    assert desk.middleware.stats["not better"] == 1


def test_the_last_answer_is_kept_where_that_is_wanted():
    desk = Desk(made_up(AIMessage("Well, 43 then.")), RetryLimits(total=1, keep="last"))
    assert texts(desk.ask())[-1] == "Well, 43 then."


def test_a_retry_that_raises_changes_nothing():
    desk = Desk(made_up(ValueError("rate limit")))
    assert texts(desk.ask())[-1] == "The answer is 42."
    assert desk.middleware.stats["failed"] == 1


async def test_a_retry_that_takes_too_long_changes_nothing():
    slow = [threading.Event(), threading.Event()]
    desk = Desk(made_up(slow[0]), RetryLimits(total=1, timeout=0.05))
    other = Desk(made_up(slow[1]), RetryLimits(total=1, timeout=0.05))
    try:
        assert texts(desk.ask())[-1] == "The answer is 42."
        out = await other.agent.ainvoke({"messages": [("user", "?")]}, config=other.config())
        assert texts(out["messages"])[-1] == "The answer is 42."
    finally:
        for event in slow:
            event.set()
    assert desk.middleware.stats["timeout"] == other.middleware.stats["timeout"] == 1
    for each in (desk, other):
        assert each.callback.flush()
        assert each.callback.failures == []
        assert each.callback.open_entries == 0


def test_what_the_first_call_raises_is_the_users():
    error = ValueError("no model")
    desk = Desk(Scripted(answers=[error], prompts=[]))
    with pytest.raises(ValueError, match="no model") as raised:
        desk.agent.invoke({"messages": [("user", "?")]}, config=desk.config())
    assert raised.value is error
    assert desk.middleware.stats == {}


def test_caps_hold_over_the_agents_of_a_team_and_over_runs():
    model = made_up(AIMessage("no"))
    desk = Desk(model, RetryLimits(total=2, per_run=1))
    graph = StateGraph(MessagesState)
    graph.add_node("first", desk.build([desk.middleware]))
    graph.add_node("second", desk.build([desk.middleware]))
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    team = graph.compile()
    for _ in range(3):
        model.answers[:] = [
            AIMessage("", tool_calls=[CALL]), AIMessage("first: 42"), AIMessage("again 42"),
            AIMessage("", tool_calls=[CALL]), AIMessage("second: 42"),
        ]  # fmt: skip
        desk.ask(team)
    assert desk.middleware.stats["begun"] == 2
    retried = [record for record in desk.middleware.records if record.end != "carried"]
    assert {record.trace_id for record in retried} == {
        run.trajectory.steps[0].trace_id for run in desk.callback.runs[:2]
    }


def test_the_token_budget_is_spent_and_then_nothing_is_retried():
    usage = {"input_tokens": 90, "output_tokens": 10, "total_tokens": 100}
    model = made_up(AIMessage("no", usage_metadata=usage))
    desk = Desk(model, RetryLimits(total=10, tokens=100))
    desk.ask()
    model.answers[:] = made_up().answers
    desk.ask()
    assert desk.middleware.stats["begun"] == 1
    assert desk.middleware.stats["tokens"] == 100


@pytest.mark.parametrize("mode", ["values", "updates", "messages"])
def test_a_run_that_nothing_speaks_against_is_as_without(mode):
    def stream(middleware):
        desk = Desk(Scripted(answers=[AIMessage("6 times 7: 42.", id="a")], prompts=[]))
        agent = desk.build([desk.middleware] if middleware else [])
        inputs = {"messages": [("user", "How much is 6 times 7?")]}
        chunks = [
            str(chunk).partition("metadata")[0]
            for chunk in agent.stream(inputs, config=desk.config(), stream_mode=mode)
        ]
        assert desk.callback.flush()
        return len(chunks), desk.model.prompts

    plain, triaged = stream(False), stream(True)
    assert triaged[0] == plain[0]
    assert [texts(prompt) for prompt in triaged[1]] == [texts(prompt) for prompt in plain[1]]


def test_without_a_callback_nothing_is_retried():
    desk = Desk(made_up(AIMessage("no")))
    out = desk.agent.invoke({"messages": [("user", "?")]})
    assert texts(out["messages"])[-1] == "The answer is 42."
    assert desk.middleware.stats == {}


def test_a_limit_of_zero_turns_it_off_and_asks_no_judge():
    asked = []
    judge = Judged(lambda view: asked.append(view) or 0.0)
    desk = Desk(made_up(AIMessage("no")), RetryLimits(total=0), signals=[*RULES, judge])
    assert texts(desk.ask())[-1] == "The answer is 42."
    assert asked == []


def test_a_signal_that_raises_costs_nobody_anything():
    def broken(view):
        raise RuntimeError("a signal of the user's")

    desk = Desk(made_up(), signals=[broken])
    assert texts(desk.ask())[-1] == "The answer is 42."
    assert desk.middleware.stats["failed: a signal"] == 2


async def test_a_judge_is_asked_off_the_event_loop_and_its_better_score_wins():
    threads = []

    def scorer(view):
        threads.append(threading.current_thread())
        time.sleep(0)
        return 0.9 if "43" in view.step.text else 0.1

    model = Scripted(answers=[AIMessage("It is 42."), AIMessage("It is 43.")], prompts=[])
    desk = Desk(model, signals=[Judged(scorer)])
    out = await desk.agent.ainvoke({"messages": [("user", "How much?")]}, config=desk.config())
    assert texts(out["messages"])[-1] == "It is 43."
    assert threading.main_thread() not in threads
    assert desk.callback.flush()


def test_a_blamed_agent_is_told_in_the_next_run_of_its_thread_and_once():
    model = Scripted(answers=[AIMessage("It is 40."), AIMessage("It is 41."), AIMessage("It is 43.")], prompts=[])
    desk = Desk(model)
    agent = desk.build([desk.middleware], checkpointer=InMemorySaver())
    desk.ask(agent, "How much is it?", thread_id="t1")
    assert len(desk.queue.critiques) == 1
    desk.ask(agent, "Something else", thread_id="t2")
    first, other = (prompt[0].text for prompt in model.prompts)
    assert first == other == "Be brief.", "another thread and another task are told nothing"
    desk.ask(agent, "Sure?", thread_id="t1")
    told = model.prompts[2][0].text
    assert told.startswith("Be brief.\n\nAn earlier attempt at this ended badly")
    assert "40" not in told
    assert [record.end for record in desk.middleware.records] == ["carried"]
    assert desk.run.trajectory.labels == ()


def test_all_model_calls_of_the_turn_that_is_told_are_told():
    model = Scripted(
        answers=[AIMessage("It is 40."), AIMessage("", tool_calls=[CALL]), AIMessage("It is 41.")], prompts=[]
    )
    desk = Desk(model, RetryLimits(total=0))
    desk.ask()
    desk.ask()
    assert ["earlier attempt" in prompt[0].text for prompt in model.prompts] == [False, True, True]


def test_findings_of_the_users_own():
    def too_short(view):
        return Finding("too_short", 0.4, "Say more.") if len(view.step.text) < 5 else None

    desk = Desk(Scripted(answers=[AIMessage("42"), AIMessage("It is 43.")], prompts=[]), signals=[too_short])
    assert texts(desk.ask())[-1] == "It is 43."


def test_the_span_of_a_retry_is_no_step_of_the_run(tmp_path):
    desk = Desk(made_up(AIMessage("", tool_calls=[CALL])), path=tmp_path / "r.db", exported=tmp_path / "trace.jsonl")
    desk.ask()
    desk.provider.shutdown()
    (read_back,) = read(tmp_path / "trace.jsonl")
    assert "retry worker" in (tmp_path / "trace.jsonl").read_text()
    assert read_back == desk.run.trajectory
