"""A callback whose spans are kept in memory."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from credit_hooks.langgraph import CreditCallback
from credit_hooks.testing import span_tree


class Traced:
    """A provider whose spans are kept in memory, and a callback on it."""

    def __init__(self, provider=None, **options):
        self.memory = InMemorySpanExporter()
        self.provider = provider or TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.tracer = self.provider.get_tracer("foreign")
        self.callback = CreditCallback(**{"evaluate": lambda run: True, "tracer_provider": self.provider, **options})

    def finished(self):
        assert self.callback.flush()
        return list(self.memory.get_finished_spans())

    def by_name(self):
        return {span.name: span for span in self.finished()}

    def tree(self):
        """Names only: (name, children)."""

        def names(nodes):
            return [(node["name"], names(node.get("children", []))) for node in nodes]

        return names(span_tree(self.finished()))
