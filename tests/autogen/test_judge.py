"""`AutoGenJudge` with AutoGen's own replaying client, on a real team."""

import pytest

pytest.importorskip("autogen_agentchat")
pytest.importorskip("autogen_ext")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient

from credit_hooks.autogen import AutoGenJudge, instrument
from credit_hooks.credit import CreditConfig
from credit_hooks.failure import StepScoring

SAID = ["Multiply 6 by 7.", "6 times 7 is 48.", "The final answer is 48."]


async def judged(*answers):
    agents = [
        AssistantAgent(f"a{number}", model_client=ReplayChatCompletionClient([text]))
        for number, text in enumerate(SAID)
    ]
    team = RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(len(SAID) + 1))
    judge = AutoGenJudge(ReplayChatCompletionClient(list(answers)), temperature=0.7, model_name="other")
    scoring = StepScoring(judge, workers=1)
    from credit_hooks.autogen import capture_of

    instrument(team, evaluate=lambda run: False, credit=CreditConfig(step_scoring=scoring))
    await team.run(task="How much is 6 times 7?")
    capture = capture_of(team)
    assert capture.flush()
    assert len(capture.runs) == 1
    return capture.last


async def test_a_model_client_judges_the_steps_of_a_failed_team():
    run = await judged('{"score": 0.9}', '{"score": 0.1, "reason": "48"}', '{"score": 0.1}')
    assert [label.value for label in run.trajectory.labels] == [0.9, 0.1, 0.1]
    assert {label.annotator for label in run.trajectory.labels} == {"judge:other@0.7"}
    assert "step_scores" in run.credit.first_error.evidence


async def test_answers_that_hold_no_score_cost_that_score_only():
    run = await judged("no idea", '{"score": 0.1}', "{}")
    assert [label.value for label in run.trajectory.labels] == [None, 0.1, None]
    assert run.credit.status == "credited"
