"""Critics are never trusted: what is no rewrite of this block costs an attempt and says why."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_kit import told

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import PromptBlock
from credit_hooks.prompts.critic import as_critic, ask
from credit_hooks.prompts.critique import CritiqueError, CritiqueRequest, validated
from credit_hooks.prompts.evidence import BlockEvidence

BLOCK = PromptBlock(role="solver", text="You solve {problem}.")
TASK = "What is six times seven, less the number of days in a leap year?"
REQUEST = CritiqueRequest(
    attempt=1, block=BLOCK, evidence=BlockEvidence(failures=(), successes=(), runs=0, failed=0), rejected=("Try hard.",)
)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (None, "returned NoneType"),
        (["x"], "returned list"),
        ("", "holds no <prompt>"),
        ("I cannot help with that.", "holds no <prompt>"),
        (told("a {problem}") + told("b {problem}"), "holds 2 prompts"),
        (told("   "), "is empty"),
        (told(BLOCK.text), "the one that was there"),
        (told(f"\n{BLOCK.text} "), "the one that was there"),
        (told("You solve it."), "loses {problem}"),
        (told("You {verb} {problem}."), "adds {verb}"),
        (told("{problem} " * 5000), "characters"),
        ("x" * 300_000, "300,000 characters"),
        (told(f"{{problem}}. For example, {TASK} is -324."), "copies a training task"),
        (told("{problem} \ud800"), "surrogate"),
    ],
)
def test_what_cannot_be_used_is_refused(reply, said):
    with pytest.raises(CritiqueError, match=said.replace("{", r"\{")):
        validated(reply, BLOCK, [TASK])


def test_a_rewrite_and_a_decision_to_keep_are_read():
    rewrite = validated(f"Well.\n{told('Solve {problem} exactly.')}\n", BLOCK, [TASK])
    assert (rewrite.text, rewrite.diagnosis) == ("Solve {problem} exactly.", "because")
    assert validated("<diagnosis>fine</diagnosis><keep/>", BLOCK, []).text is None


@given(st.text(st.characters()) | st.text(st.sampled_from("<prompt></keep{}ax ")) | st.integers() | st.binary())
def test_any_reply_is_either_read_or_refused(reply):
    try:
        rewrite = validated(reply, BLOCK, [TASK])
    except CritiqueError:
        return
    assert rewrite.text is None or (rewrite.text and "{problem}" in rewrite.text)


def test_the_request_holds_the_prompt_the_evidence_and_what_was_tried():
    for part in (BLOCK.text, "0 of 0 runs failed", "Try hard.", "<prompt>", "<keep/>"):
        assert part in REQUEST.prompt


class Model:
    """As a LangChain chat model."""

    def __init__(self, answer):
        self.answer = answer

    def invoke(self, prompt):
        assert BLOCK.text in prompt
        return self.answer


async def waits(request):
    return "late"


def test_functions_coroutines_and_langchain_models_are_critics():
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    assert ask(as_critic(lambda request: request.block.role), REQUEST, 5) == "solver"
    assert ask(as_critic(waits), REQUEST, 5) == "late"
    parts = [{"type": "text", "text": "two "}, {"type": "text", "text": "parts"}]
    model = GenericFakeChatModel(messages=iter([AIMessage("whole"), AIMessage(parts)]))
    assert [ask(as_critic(model), REQUEST, 5) for _ in range(2)] == ["whole", "two parts"]
    assert ask(as_critic(Model("text of a chain")), REQUEST, 5) == "text of a chain"
    with pytest.raises(ConfigurationError, match="critic is a function"):
        as_critic("gpt-5")


def raises(request):
    raise RuntimeError("429: slow down")


async def never(request):
    import asyncio

    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("critic", "said"),
    [
        (raises, "raised RuntimeError: 429"),
        (never, "took longer than 0.05 s"),
        (lambda request: time.sleep(1), "took longer than 0.05 s"),
        (Model(7), "returned int, which has no text"),
    ],
)
def test_a_critic_that_fails_or_hangs_is_given_up(critic, said):
    with pytest.raises(CritiqueError, match=said):
        ask(as_critic(critic), REQUEST, 0.05)
