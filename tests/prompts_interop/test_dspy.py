"""The real DSPy, its GEPA included, with feedback per module from our credit. A local model, no network."""

import json
import re

import pytest

pytest.importorskip("dspy", reason="DSPy is not installed: pip install 'credit-hooks[dspy]'")

import dspy
from dspy.clients.engines.base import validate_request
from dspy.lm15 import Message, Response, TextPart, Usage, response_to_events

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts.interop.dspy import credit_metric, credited_rollouts, module_feedback
from credit_hooks.prompts.interop.gepa import CreditSelector

pytestmark = pytest.mark.filterwarnings("ignore")  # of DSPy and what it brings

TAUGHT = "Always double the note."


class Clerks:
    """An engine of DSPy's: a note of the number, and the double of it if the prompt says so. A simulation."""

    def __init__(self):
        self.reflections = []

    def complete(self, request):
        validate_request(request)
        system = request.system or ""
        system = system if isinstance(system, str) else "".join(part.text for part in system)
        said = self._answer(system, "\n".join(message.text or "" for message in request.messages))
        message = Message.assistant([TextPart(said)])
        usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
        return Response(id=None, model="clerks", message=message, finish_reason="stop", usage=usage)

    def _answer(self, system, asked):
        if "new_instruction" in system + asked:  # GEPA's proposer of DSPy asks for JSON
            self.reflections.append(asked)
            return json.dumps({"new_instruction": f"New. {TAUGHT}"})
        number = re.findall(r"\d+", asked.split("[[ ##")[1])[0] if "[[ ##" in asked else "0"
        if "`note`" in system and "`order`" in system:
            return f"[[ ## note ## ]]\nThe order is for {number} pens.\n\n[[ ## completed ## ]]"
        amount = int(number) * (2 if TAUGHT in system else 1)
        return f"[[ ## amount ## ]]\nThe answer is {amount}.\n\n[[ ## completed ## ]]"

    def stream(self, request):
        return response_to_events(self.complete(request))

    def close(self):
        pass


class Desk(dspy.Module):
    def __init__(self):
        super().__init__()
        self.read = dspy.Predict("order -> note")
        self.price = dspy.Predict("note -> amount")

    def forward(self, order):
        return self.price(note=self.read(order=order).note)


EXAMPLES = [dspy.Example(order=f"I want {n} pens", amount=str(2 * n)).with_inputs("order") for n in range(11, 19)]


def right(gold, pred):
    return gold.amount == re.findall(r"\d+", pred.amount)[0]


@pytest.fixture
def engine():
    engine = Clerks()
    lm = dspy.LM("local/clerks", engine=engine, cache=False)
    with dspy.context(lm=lm):
        engine.lm = lm
        yield engine


def traced(program, example):
    with dspy.context(trace=[]):
        prediction = program(**example.inputs())
        return prediction, list(dspy.settings.trace)


def test_a_metric_gives_scores_and_feedback_of_the_module_asked_for(engine):
    program, metric = Desk(), credit_metric(right, program=Desk(), explain=lambda gold, pred: f"Right: {gold.amount}.")
    pred, trace = traced(program, EXAMPLES[0])
    assert metric(EXAMPLES[0], pred) == 0.0
    assert metric(EXAMPLES[0], pred, trace) == 0.0
    told = metric(EXAMPLES[0], pred, trace, "price", [trace[1]])
    assert told.score == 0.0, "GEPA wants the module's score to be the program's"
    assert "This module, price, has" in told.feedback
    assert "read" in told.feedback
    assert told.feedback.endswith("Right: 22.")
    other = metric(EXAMPLES[0], pred, trace, "read", [trace[0]])
    assert other.feedback != told.feedback


def test_calls_read_what_they_were_given_and_blame_adds_up(engine):
    program = Desk()
    pred, trace = traced(program, EXAMPLES[0])
    rollout = {"trace": trace, "example": EXAMPLES[0], "prediction": pred, "score": 0.0}
    run = credited_rollouts(program)(rollout, {})
    assert [message.actor_id for message in run.trajectory.messages] == ["example", "read", "price"]
    assert run.trajectory.parents("call0") == ("example",)
    assert run.trajectory.parents("call1") == ("call0",)
    assert run.trajectory.answer_id == "call1"
    assert sum(run.credit.agents.values()) + run.credit.unassigned == pytest.approx(-0.5, abs=1e-9)
    assert "of the blame" in module_feedback(run, "price")


def test_the_real_gepa_improves_the_program_by_our_metric_and_selector(engine):
    program = Desk()
    metric, asked = credit_metric(right, program=program), []

    def watched(gold, pred, trace=None, pred_name=None, pred_trace=None):
        answer = metric(gold, pred, trace, pred_name, pred_trace)
        if pred_name is not None:
            asked.append((pred_name, answer.feedback))
        return answer

    selector = CreditSelector(credited=credited_rollouts(program))
    optimizer = dspy.GEPA(
        watched,
        max_metric_calls=60,
        reflection_lm=engine.lm,
        component_selector=selector,
        reflection_minibatch_size=3,
        use_merge=False,
        num_threads=1,
        seed=0,
    )
    better = optimizer.compile(program, trainset=EXAMPLES[:5], valset=EXAMPLES[5:])
    assert TAUGHT in better.price.signature.instructions
    assert right(EXAMPLES[0], better(**EXAMPLES[0].inputs()))
    assert asked
    assert all(f"This module, {name}, has" in feedback for name, feedback in asked)
    assert any("of the blame" in prompt for prompt in engine.reflections)
    assert selector.chosen


def test_the_metric_serves_other_optimisers_too(engine):
    evaluation = dspy.Evaluate(devset=EXAMPLES, metric=credit_metric(right), num_threads=1)
    assert evaluation(Desk()).score == 0.0


def test_a_prediction_that_could_not_be_parsed_and_odd_trajectories():
    credited = credited_rollouts(Desk())
    assert credited(object(), {}) is None
    assert credited({"trace": []}, {}) is None


def test_a_metric_has_to_give_a_score(engine):
    pred, _ = traced(Desk(), EXAMPLES[0])
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        credit_metric(lambda gold, pred: 7)(EXAMPLES[0], pred)
