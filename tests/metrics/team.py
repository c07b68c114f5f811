"""A team of functions whose runs succeed or fail as its checker is told, captured with metrics in memory."""

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from credit_hooks.langgraph import CreditCallback


def says(text):
    return lambda state: {"messages": [AIMessage(text(state) if callable(text) else text)]}


def sequence(*speakers):
    """A graph of (name, text) that speak one after the other."""
    graph, before = StateGraph(MessagesState), START
    for name, text in speakers:
        graph.add_node(name, says(text))
        graph.add_edge(before, name)
        before = name
    return graph.compile()


TEAM = sequence(
    ("planner", "Multiply, then check."),
    ("solver", lambda state: f"The answer is {'42' if 'right' in state['messages'][0].text else '40'}."),
    ("checker", lambda state: f"Checked: {state['messages'][-1].text}"),
)


VAGUE = sequence(("planner", "Let me think."), ("solver", "All right."), ("checker", "Done."))
"""Nobody states anything: who contributed what is known from the reads alone."""


def right(run):
    return "42" in run.answer


def invoke(callback, text="right", team=TEAM):
    return team.invoke({"messages": [("user", f"How much is 6 times 7? {text}")]}, {"callbacks": [callback]})


class Measured:
    """A callback and what it measured."""

    def __init__(self, **options):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])
        self.callback = CreditCallback(meter_provider=self.provider, **options)

    def run(self, *texts, team=TEAM):
        for text in texts:
            invoke(self.callback, text, team)
        assert self.callback.flush()
        return self

    @property
    def points(self):
        """Data points by metric, without the prefix."""
        found = {}
        for resource in getattr(self.reader.get_metrics_data(), "resource_metrics", ()):
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    assert metric.name.startswith("credit_hooks.")
                    found[metric.name.removeprefix("credit_hooks.")] = list(metric.data.data_points)
        return found

    def counts(self, name, attribute):
        """Values of a counter by one of its attributes."""
        return {point.attributes.get(attribute): point.value for point in self.points.get(name, ())}
