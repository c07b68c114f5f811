"""DSPy (https://dspy.ai) with our credit: a metric with feedback per module, and GEPA's component selector.

Needs `pip install 'credit-hooks[dspy]'`. ::

    metric = credit_metric(exact_match)
    selector = CreditSelector(credited=credited_rollouts(program))    # .gepa
    dspy.GEPA(metric, component_selector=selector, reflection_lm=lm, auto="light").compile(program, trainset=...)

A program's trace says which predictor made what of which inputs. What a predictor has *read* of others is found by
value: an input that equals an earlier output, or holds it, came from there. Values that code in between rewrites are
not recognised; such a call counts as having read the example alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from credit_hooks.credit import CreditConfig, assign_credit
from credit_hooks.errors import ConfigurationError, MissingExtraError
from credit_hooks.parts import TextPart
from credit_hooks.rewards import CreditedRun
from credit_hooks.trajectory import Actor, Message, Outcome, ReadSet, Step, Trajectory

try:
    from dspy.teleprompt.gepa.gepa_utils import ScoreWithFeedback
except ImportError as error:
    raise MissingExtraError("credit_hooks.prompts.interop.dspy", "dspy") from error

__all__ = ["Score", "credit_metric", "credited_program_run", "credited_rollouts", "module_feedback"]

Score: TypeAlias = Callable[[Any, Any], float]
"""(example, prediction) to True, False or a score in [0, 1]."""

_CONFIG: Final = CreditConfig()
_SHORT: Final = 8  # characters below which a value has to be the whole input to count as read
_GIVEN: Final = "example"


def credit_metric(
    score: Score,
    *,
    program: Any = None,
    explain: Callable[[Any, Any], str] | None = None,
    config: CreditConfig = _CONFIG,
) -> Callable[..., Any]:
    """A metric for any DSPy optimiser, which tells `dspy.GEPA` what each module did to the outcome.

    Called for a score, as `Evaluate`, MIPROv2 and GEPA's scoring do, it is `score`. Called for a predictor
    (`pred_name`), it is the same score, as GEPA wants it, with feedback from the predictor's credit.

    Args:
        score: How an example's prediction is.
        program: Names the other predictors in the feedback. None: they are called after their outputs.
        explain: Adds what you know, such as the right answer. None: feedback holds credit alone.
        config: How runs are credited.
    """

    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: str | None = None, pred_trace: Any = None) -> Any:
        value = _checked(score(gold, pred))
        if pred_name is None or not trace:
            return value
        names = _Names(program, {}, pred_name, pred_trace or ())
        run = credited_program_run(trace, gold, pred, value, names, config)
        feedback = module_feedback(run, pred_name)
        if explain is not None:
            feedback += "\n" + explain(gold, pred)
        return ScoreWithFeedback(score=value, feedback=feedback)

    return metric


def credited_rollouts(
    program: Any, *, config: CreditConfig = _CONFIG
) -> Callable[[Any, Mapping[str, str]], CreditedRun | None]:
    """What `CreditSelector(credited=...)` needs to read the trajectories of `dspy.GEPA` as credited runs.

    Args:
        program: The program that is optimised.
        config: How runs are credited.
    """

    def credited(trajectory: Any, candidate: Mapping[str, str]) -> CreditedRun | None:
        if not isinstance(trajectory, Mapping) or not trajectory.get("trace"):
            return None
        value = _checked(trajectory.get("score") or 0.0)  # as the metric said already
        names = _Names(program, candidate, None, ())
        example, prediction = trajectory["example"], trajectory["prediction"]
        return credited_program_run(trajectory["trace"], example, prediction, value, names, config)

    return credited


def credited_program_run(
    trace: Sequence[tuple[Any, Mapping[str, Any], Any]],
    example: Any,
    prediction: Any,
    score: float,
    name_of: Callable[[tuple[Any, Any, Any]], str],
    config: CreditConfig = _CONFIG,
) -> CreditedRun:
    """A DSPy program's run as a credited run: one message per predictor call, by the predictor as its author.

    Args:
        trace: (predictor, inputs, outputs) of every call, in order, as `dspy.settings.trace` keeps them.
        example: What the program was given.
        prediction: What it returned.
        score: How good that is, in [0, 1].
        name_of: The name of the predictor of an item of the trace.
        config: How it is credited.
    """
    given = [str(value) for value in _inputs(example).values()]
    task = "\n".join(given)
    messages = [Message(id=_GIVEN, index=0, actor_id=_GIVEN, role="user", parts=(TextPart(text=task),))]
    known = [(_GIVEN, given)]
    steps: list[Step] = []
    for number, item in enumerate(trace):
        name, said = name_of(item), _values(item[2])
        heard = [str(value) for value in item[1].values()]
        read = tuple(id_ for id_, values in known if any(_is_in(value, text) for value in values for text in heard))
        id_ = f"call{number}"
        steps.append(
            Step(
                id=f"step{number}",
                kind="agent",
                name=name,
                actor_id=name,
                reads=ReadSet(new=read or (_GIVEN,)),
                output_message_ids=(id_,),
            )
        )
        part = TextPart(text="\n".join(said))
        messages.append(
            Message(id=id_, index=number + 1, actor_id=name, step_id=f"step{number}", parts=(part,) if said else ())
        )
        known.append((id_, said))
    actors = dict.fromkeys(step.actor_id or "" for step in steps)
    trajectory = Trajectory(
        id="dspy",
        framework="dspy",
        task=task or None,
        actors=(Actor(id=_GIVEN, name=_GIVEN, kind="human"), *(Actor(id=name, name=name) for name in actors)),
        messages=tuple(messages),
        steps=tuple(steps),
        answer_id=_answer(known, _values(prediction)),
        outcome=Outcome(score=score, success=score >= 1.0),
    )
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory, config))


def module_feedback(run: CreditedRun, name: str) -> str:
    """What a reflecting model is told of one module: its share, the others', and where the run first went wrong."""
    credit = run.credit
    lines = [f"The program scored {credit.outcome or 0.0:.2f} of 1 on this example."]
    shares = {who: amount for who, amount in credit.agents.items() if who != _GIVEN}
    if abs(credit.total) > 1e-9 and name in shares:
        what = "of the blame for that" if credit.total < 0 else "of the credit for that"
        ranked = sorted(shares, key=lambda who: (-shares[who] / credit.total, who))
        others = [f"{who} {shares[who] / credit.total:.0%}" for who in ranked if who != name]
        lines.append(f"This module, {name}, has {shares[name] / credit.total:.0%} {what}.")
        lines += [f"The others: {', '.join(others)}."] if others else []
    first = credit.first_error
    if first is not None:
        where = "in this module" if first.actor_id == name else f"in {first.actor_id}"
        lines.append(f"As far as the outputs show, the first error is {where} (probability {first.probability:.2f}).")
    if credit.low_evidence:
        lines.append("This rests on little evidence.")
    return " ".join(lines)


class _Names:
    """Predictors by name: GEPA runs copies with other instructions, which keep their fields."""

    def __init__(
        self, program: Any, candidate: Mapping[str, str], asked: str | None, asked_trace: Sequence[Any]
    ) -> None:
        predictors = [] if program is None else list(program.named_predictors())
        self._fields = [(name, _fields(predictor)) for name, predictor in predictors]
        self._candidate = candidate
        self._asked, self._asked_trace = asked, asked_trace

    def __call__(self, item: tuple[Any, Any, Any]) -> str:
        if any(item[2] is asked[2] or item[1] is asked[1] for asked in self._asked_trace):
            return str(self._asked)
        same = [name for name, fields in self._fields if fields == _fields(item[0])]
        if len(same) > 1:
            said = item[0].signature.instructions
            same = [name for name in same if self._candidate.get(name) == said] or same
        return " or ".join(same) if same else " and ".join(item[0].signature.output_fields)


def _fields(predictor: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(predictor.signature.input_fields), tuple(predictor.signature.output_fields)


def _inputs(example: Any) -> dict[str, Any]:
    try:
        return dict(example.inputs())
    except ValueError:  # an example whose inputs were never named
        return dict(example)


def _values(outputs: Any) -> list[str]:
    text = getattr(outputs, "completion_text", None)  # what could not be parsed
    if isinstance(text, str):
        return [text]
    return [said for value in dict(outputs or {}).values() if (said := str(value).strip())]


def _is_in(value: str, text: str) -> bool:
    return bool(value) and (value == text.strip() or (len(value) >= _SHORT and value in text))


def _answer(known: Sequence[tuple[str, list[str]]], returned: Sequence[str]) -> str | None:
    """The newest message with a value that the program returned. None: the last one."""
    found = (id_ for id_, values in reversed(known[1:]) if set(values) & set(returned))
    return next(found, None)


def _checked(value: Any) -> float:
    score = getattr(value, "score", value)
    if not isinstance(score, bool | int | float) or not 0.0 <= score <= 1.0:
        raise ConfigurationError(f"the metric returned {score!r:.80}: it has to be True, False or a number from 0 to 1")
    return float(score)
