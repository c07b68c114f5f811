"""Retries through real model clients, against a local server that speaks OpenAI's protocol; errors included."""

import pytest
from openai_server import chat_server

from credit_hooks.triage import Finding, RetryLimits


def doubt(view):
    return Finding("doubt", 0.5, "Check the figure.") if "42" in view.step.text else None


@pytest.fixture(params=[False, True], ids=["whole", "streaming"])
def streaming(request):
    return request.param


@pytest.mark.parametrize(("retry", "answer"), [("It is 43.", "It is 43."), (500, "It is 42.")])
async def test_langchain(streaming, retry, answer):
    openai = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    httpx = pytest.importorskip("httpx")
    agents = pytest.importorskip("langchain.agents", reason="LangChain is not installed")
    from credit_hooks.langgraph import CreditCallback
    from credit_hooks.langgraph.triage import TriageMiddleware

    with chat_server(["It is 42.", retry]) as (url, requests):
        async with httpx.AsyncClient() as connections:
            model = openai.ChatOpenAI(
                model="local",
                base_url=url,
                api_key="none",
                max_retries=0,
                streaming=streaming,
                http_async_client=connections,
                use_responses_api=False,
            )
            retries = TriageMiddleware(RetryLimits(total=1), signals=[doubt])
            agent = agents.create_agent(model, [], middleware=[retries], system_prompt="Be brief.")
            callback = CreditCallback(evaluate=lambda run: True)
            out = await agent.ainvoke({"messages": [("user", "How much?")]}, config={"callbacks": [callback]})
    assert out["messages"][-1].text == answer
    assert [message["role"] for message in requests[1]["messages"]] == ["system", "user", "assistant", "user"]
    assert callback.flush()
    assert callback.failures == []
    assert retries.stats["begun"] == 1


@pytest.mark.parametrize(("retry", "answer"), [("It is 43.", "It is 43."), (500, "It is 42.")])
async def test_autogen(streaming, retry, answer):
    openai = pytest.importorskip("autogen_ext.models.openai", reason="autogen-ext[openai] is not installed")
    from autogen_agentchat.agents import AssistantAgent
    from team_cases.kit import INFO

    from credit_hooks.autogen import capture_of, instrument
    from credit_hooks.autogen.triage import retry_turns

    with chat_server(["It is 42.", retry]) as (url, requests):
        client = openai.OpenAIChatCompletionClient(
            model="local", base_url=url, api_key="none", model_info=dict(INFO), max_retries=0
        )
        agent = AssistantAgent("solver", client, system_message="Be brief.", model_client_stream=streaming)
        capture = capture_of(instrument(agent, evaluate=lambda run: True))
        retries = retry_turns(agent, RetryLimits(total=1), signals=[doubt])
        result = await agent.run(task="How much?")
        await client.close()
    assert result.messages[-1].content == answer
    assert [message["role"] for message in requests[1]["messages"]] == ["system", "user", "assistant", "user"]
    assert capture.flush()
    assert capture.failures == []
    assert retries.stats["begun"] == 1
