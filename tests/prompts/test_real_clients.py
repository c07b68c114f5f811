"""Real clients as critics, against a local server that speaks OpenAI's protocol: answers, streams, errors."""

import pytest
from openai_server import Cut, chat_server
from prompt_kit import told

from credit_hooks.cli.optimize_config import chat_model
from credit_hooks.demo.order_desk import desk_team, evaluate, orders
from credit_hooks.prompts import Budget, optimize
from credit_hooks.prompts.loop import run_async

TASKS = orders(40, seed=1)
GOOD = told("You are goods. Work out what the goods cost. Take a discount in percent off. Charge no damaged items.")


def improve(critic):
    team = desk_team(parallel=False)
    return optimize(team, TASKS, evaluate, critic, Budget(system_runs=150, model_calls=3), width=1, critic_timeout=20)


@pytest.fixture(params=[False, True], ids=["whole", "streaming"])
def langchain_model(request):
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    return lambda url: chat_model(
        "openai:local", {"base_url": url, "api_key": "none", "max_retries": 0, "streaming": request.param}
    )


@pytest.fixture
def autogen_client():
    openai = pytest.importorskip("autogen_ext.models.openai", reason="autogen-ext[openai] is not installed")
    info = {
        "vision": False,
        "function_calling": False,
        "json_output": False,
        "family": "unknown",
        "structured_output": False,
    }
    made = []

    def make(url):
        made.append(
            openai.OpenAIChatCompletionClient(
                model="local", base_url=url, api_key="none", model_info=info, max_retries=0
            )
        )
        return made[0]

    yield make
    run_async(made[0].close())


def check(make):
    with chat_server([429, "I cannot help with that.", GOOD]) as (url, requests):
        found = improve(make(url))
    problems = [edit.problem for attempt in found.attempts for edit in attempt.edits]
    assert "RateLimitError" in problems[0]
    assert "a refusal" in problems[1]
    assert problems[2] is None
    assert len(requests) == found.spent.model_calls == 3
    assert found.attempts[0].roles == ("goods",)
    return requests


def test_langchain_models_are_critics(langchain_model):
    requests = check(langchain_model)
    assert "# Evidence" in requests[0]["messages"][0]["content"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*[Mm]odel info.*")
def test_autogen_clients_are_critics(autogen_client):
    check(autogen_client)


def test_an_edit_by_a_langchain_model_is_kept(langchain_model):
    with chat_server([GOOD]) as (url, requests):
        found = improve(langchain_model(url))
    assert found.changed == ("goods",)
    assert found.scores_after.held_out == 1.0


def test_a_server_that_is_not_there_costs_attempts(langchain_model):
    found = improve(langchain_model("http://127.0.0.1:9/v1"))
    assert found.changed == ()
    assert all("Connection" in attempt.edits[0].problem for attempt in found.attempts)
    assert found.spent.model_calls == 3


def breaks_off(make):
    with chat_server([Cut(GOOD), GOOD]) as (url, requests):
        found = improve(make(url))
    problems = [edit.problem for attempt in found.attempts for edit in attempt.edits]
    assert "Error" in problems[0]
    assert problems[1] is None
    assert len(requests) == found.spent.model_calls


def test_an_answer_that_breaks_off_costs_one_attempt(langchain_model):
    breaks_off(langchain_model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*[Mm]odel info.*")
def test_an_autogen_answer_that_breaks_off_costs_one_attempt(autogen_client):
    breaks_off(autogen_client)
