"""Every registered adapter keeps the public laws on a sample of its dialect; and the laws can be broken."""

import copy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agent_framework_spans import agent_framework_spans  # noqa: E402
from autogen_spans import autogen_spans  # noqa: E402
from chats import trial  # noqa: E402
from openinference_spans import openinference_spans, trail_document  # noqa: E402

from credit_hooks import registry, semconv
from credit_hooks.native import NativeAdapter
from credit_hooks.ports import Adapter, LogAdapter
from credit_hooks.testing import ADAPTER_LAWS, LOG_ADAPTER_LAWS, check_adapter, check_log_adapter, sample_spans
from credit_hooks_adapters.whowhen import WhoWhenAdapter

WHOWHEN = {
    "question": "How high?",
    "ground_truth": "7 m",
    "is_correct": False,
    "mistake_agent": "Expert",
    "mistake_step": "1",
    "system_prompt": {"Expert": "You compute."},
    "history": [
        {"role": "human", "content": "How high?"},
        {"role": "user", "name": "Expert", "content": "9 m"},
        {"role": "Orchestrator (-> Expert)", "content": "Sure?"},
    ],
}
SAMPLES = {
    "agent_framework": agent_framework_spans(),
    "autogen": autogen_spans(),
    "credit_hooks": sample_spans(),
    "openai_messages": [trial(0), trial(1, reward=0.0)],
    "openinference": openinference_spans(),
    "trail": trail_document(errors=[{"category": "A", "location": f"{4:016x}"}], scores=[]),
    "whowhen": WHOWHEN,
}


def cases(port, laws):
    found = [(name, adapter) for name, adapter in registry.adapters().items() if isinstance(adapter, port)]
    return [pytest.param(adapter, law, name, id=f"{name}-{law.__name__}") for name, adapter in found for law in laws]


@pytest.mark.parametrize(("adapter", "law", "name"), cases(Adapter, ADAPTER_LAWS))
def test_span_adapters_keep_the_laws(adapter, law, name):
    law(adapter, copy.deepcopy(SAMPLES[name]))


@pytest.mark.parametrize(("adapter", "law", "name"), cases(LogAdapter, LOG_ADAPTER_LAWS))
def test_log_adapters_keep_the_laws(adapter, law, name):
    law(adapter, copy.deepcopy(SAMPLES[name]))


class OrderDependent(NativeAdapter):
    def trajectories(self, spans):
        spans = list(spans)
        for run in super().trajectories(spans):
            yield run.model_copy(update={"name": spans[0].name})


class Crashing(NativeAdapter):
    def trajectories(self, spans):
        spans = list(spans)
        assert all(isinstance(span.attributes[semconv.GEN_AI_OPERATION_NAME], str) for span in spans)
        return super().trajectories(spans)


class Greedy(NativeAdapter):
    def recognises(self, spans):
        return 1.0


class Mutating(NativeAdapter):
    def trajectories(self, spans):
        spans = list(spans)
        for span in spans:
            span.attributes.pop(semconv.CREDIT_STEP_STATUS, None)
        return super().trajectories(spans)


class Leaking(NativeAdapter):
    def trajectories(self, spans):
        hidden = '[{"parts": ["x __REDACTED__"]}]'
        key = semconv.GEN_AI_OUTPUT_MESSAGES
        return super().trajectories(
            replace(span, attributes={**span.attributes, key: hidden}) if key in span.attributes else span
            for span in spans
        )


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (OrderDependent(), "order of the spans"),
        (Greedy(), "no spans at all"),
        (Mutating(), "reading changed a span"),
        (Leaking(), "as content"),
    ],
)
def test_broken_adapters_are_found(adapter, message):
    with pytest.raises(AssertionError, match=message):
        check_adapter(adapter, sample_spans())


def test_crashes_are_found():
    with pytest.raises((AssertionError, KeyError)):
        check_adapter(Crashing(), sample_spans())


class Random(WhoWhenAdapter):
    def read_document(self, document, source):
        for run in super().read_document(document, source):
            yield run.model_copy(update={"id": str(id(run))})


class Nameless(WhoWhenAdapter):
    def read_document(self, document, source):
        return super().read_document(document, "a log")


@pytest.mark.parametrize(
    ("adapter", "message"), [(Random(), "second reading"), (Nameless(), "does not name the source")]
)
def test_broken_log_adapters_are_found(adapter, message):
    with pytest.raises(AssertionError, match=message):
        check_log_adapter(adapter, WHOWHEN)
