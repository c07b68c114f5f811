"""`AutoGenJudge`: any AutoGen chat completion client as judge of steps."""

from __future__ import annotations

from typing import Any

from autogen_core.models import ChatCompletionClient, SystemMessage, UserMessage

from credit_hooks.failure.judging import INSTRUCTIONS, MalformedJudgementError, judge_prompt, read_judgement
from credit_hooks.failure.step_scoring import StepScore, StepView

__all__ = ["AutoGenJudge"]


class AutoGenJudge:
    """Scores steps with a model client: `CreditConfig(step_scoring=StepScoring(AutoGenJudge(client)))`.

    Give it a client of its own, not the team's: it runs in an event loop of its own, where connections of another loop
    cannot be used. Take another model than the agents', or at least another temperature: a model likes its own
    mistakes.

    Args:
        client: The judge. It is sent the contents of the run.
        temperature: Asked of the client with every call. None: as the client is configured.
        model_name: What the labels call the model. None: what the client's component configuration says, else its type.
        instructions: The system prompt; has to ask for `{"score": <0 to 1>}`.
        max_characters: Of a prompt, about.
    """

    def __init__(
        self,
        client: ChatCompletionClient,
        *,
        temperature: float | None = None,
        model_name: str | None = None,
        instructions: str = INSTRUCTIONS,
        max_characters: int = 24_000,
    ) -> None:
        self._client = client
        self._options: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
        self._instructions = instructions
        self._max_characters = max_characters
        self.model_name = model_name or _name(client)
        """The model, as its labels call it."""
        self.name = f"judge:{self.model_name}" + ("" if temperature is None else f"@{temperature:g}")
        """The annotator of its labels."""

    async def __call__(self, view: StepView) -> StepScore:
        """The judge's score of a step.

        Raises:
            MalformedJudgementError: its answer holds no score. Whatever the client raises is passed on.
        """
        prompt = judge_prompt(view, instructions=self._instructions, max_characters=self._max_characters)
        asked = UserMessage(content=prompt.user, source="credit_hooks")
        result = await self._client.create(
            [SystemMessage(content=prompt.system), asked], extra_create_args=self._options
        )
        if not isinstance(result.content, str):
            raise MalformedJudgementError("the judge called a tool instead of answering")
        return read_judgement(result.content)


def _name(client: ChatCompletionClient) -> str:
    try:
        model = client.dump_component().config.get("model")
    except (NotImplementedError, AttributeError, TypeError, ValueError):  # clients need not be serialisable
        model = None
    return model if isinstance(model, str) and model else type(client).__name__
