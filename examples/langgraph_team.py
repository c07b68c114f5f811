"""Credit on the spans of a LangGraph team: prints each agent's span with its reward, then the run's credit.

Run it with `python examples/langgraph_team.py`; it needs `pip install 'credit-hooks[langgraph]'`. In your application
the exporter is your tracing backend's.
"""

from __future__ import annotations

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from credit_hooks.langgraph import CreditCallback


def searcher(state: MessagesState) -> dict[str, list[AIMessage]]:
    """Finds what the question asks about."""
    return {"messages": [AIMessage("In the census, Seattle has 737015 inhabitants and Colville has 4917.")]}


def analyst(state: MessagesState) -> dict[str, list[AIMessage]]:
    """Picks the city with the most inhabitants from the figures it has read."""
    words = [word.strip(",.") for word in state["messages"][-1].text.split()]
    counts = {words[at - 2]: int(word) for at, word in enumerate(words) if word.isdigit()}
    return {"messages": [AIMessage(f"The larger city is {max(counts, key=lambda city: counts[city])}.")]}


def writer(state: MessagesState) -> dict[str, list[AIMessage]]:
    """Puts what the analyst said into a sentence."""
    city = state["messages"][-1].text.split()[-1]
    return {"messages": [AIMessage(f"More people live in {city}")]}


def main() -> None:
    """Run the team once and show who earned what."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    callback = CreditCallback(evaluate=lambda run: "Seattle" in run.answer, tracer_provider=provider)

    graph = StateGraph(MessagesState)
    for node in (searcher, analyst, writer):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "searcher")
    graph.add_edge("searcher", "analyst")
    graph.add_edge("analyst", "writer")
    question = "Do more people live in Seattle or in Colville?"
    graph.compile(name="census").invoke({"messages": [("user", question)]}, config={"callbacks": [callback]})

    callback.flush()
    for span in spans.get_finished_spans():
        attributes = span.attributes or {}
        if "credit.reward" in attributes:
            print(f"{span.name}: credit.reward = {attributes['credit.reward']:+.3f}")
    if callback.last is not None:
        print(callback.last.credit)


if __name__ == "__main__":
    main()
