"""`LangChainJudge`: any LangChain chat model as judge of steps."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langsmith.run_helpers import tracing_context

from credit_hooks.failure.judging import INSTRUCTIONS, judge_prompt, read_judgement
from credit_hooks.failure.step_scoring import StepScore, StepView

__all__ = ["LangChainJudge"]


class LangChainJudge:
    """Scores steps with a chat model: `CreditConfig(step_scoring=StepScoring(LangChainJudge(model)))`.

    Take another model than the agents', or at least another temperature: a model likes its own mistakes. The judge's
    calls are not traced: not by us, not by LangSmith, and not by OpenTelemetry instrumentations that can be told so.

    Args:
        model: The judge. It is sent the contents of the run.
        temperature: Asked of the model with every call. None: as the model is configured.
        instructions: The system prompt; has to ask for `{"score": <0 to 1>}`.
        max_characters: Of a prompt, about.
    """

    def __init__(
        self,
        model: BaseChatModel,
        *,
        temperature: float | None = None,
        instructions: str = INSTRUCTIONS,
        max_characters: int = 24_000,
    ) -> None:
        self._model = model
        self._options: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
        self._instructions = instructions
        self._max_characters = max_characters
        self.model_name = _name(model)
        """The model, as its labels call it."""
        self.name = f"judge:{self.model_name}" + ("" if temperature is None else f"@{temperature:g}")
        """The annotator of its labels."""

    def __call__(self, view: StepView) -> StepScore:
        """The judge's score of a step.

        Raises:
            MalformedJudgementError: its answer holds no score. Whatever the model raises is passed on.
        """
        prompt = judge_prompt(view, instructions=self._instructions, max_characters=self._max_characters)
        with tracing_context(enabled=False):
            answer = self._model.invoke(
                [SystemMessage(prompt.system), HumanMessage(prompt.user)], config={"callbacks": []}, **self._options
            )
        return read_judgement(str(answer.text))


def _name(model: BaseChatModel) -> str:
    for attribute in ("model_name", "model", "model_id", "deployment_name"):
        value = getattr(model, attribute, None)
        if isinstance(value, str) and value:
            return value
    return type(model).__name__
