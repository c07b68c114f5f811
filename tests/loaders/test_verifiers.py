"""verifiers reads our traces with its own readers, and its advantages take our rewards."""

import importlib.util
import json

import pytest

if importlib.util.find_spec("verifiers") is None:
    pytest.skip("verifiers is not installed: pip install --group loaders", allow_module_level=True)

from coding_team import runs

from credit_hooks_exporters.verifiers import VERIFIERS, as_episode, stamp_advantages


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("verifiers") / "rows.jsonl"
    VERIFIERS.write(runs(), path)
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def traces(rows, tmp_path_factory):
    from verifiers.v1.trace import WireTrace
    from verifiers.v1.utils.trace_store import read_episodes

    folder = tmp_path_factory.mktemp("saved")
    (folder / "traces.jsonl").write_text("".join(json.dumps(as_episode(row)) + "\n" for row in rows))
    return [episode.traces[0] for episode in read_episodes(folder, WireTrace)]


def test_saved_runs_are_read_by_verifiers_itself(rows, traces):
    assert len(traces) == len(rows) > 40
    for row, trace in zip(rows, traces, strict=True):
        assert trace.reward == pytest.approx(sum(value or 0.0 for value in row["info"]["message_rewards"]))
        assert [node.message.role for node in trace.nodes] == [node["message"]["role"] for node in row["nodes"]]


def test_every_trace_is_one_branch_of_all_its_messages(traces):
    for trace in traces:
        (branch,) = trace.branches
        assert len(branch.nodes) == len(trace.nodes)


def test_tool_calls_arrive_with_their_arguments(rows, traces):
    calls = [
        call for trace in traces for node in trace.nodes for call in getattr(node.message, "tool_calls", None) or ()
    ]
    assert {call.name for call in calls} == {"run_tests"}
    assert all(json.loads(call.arguments)["path"].endswith(".py") for call in calls)


def test_stamped_advantages_are_the_rewards_of_sampled_tokens_alone(traces):
    for trace in traces:
        for node in trace.nodes:  # what a renderer does
            node.token_ids = list(range(4))
            node.mask = [node.sampled] * 4
        stamp_advantages(trace)
        for node, reward in zip(trace.nodes, trace.info["message_rewards"], strict=True):
            assert node.advantages == (None if reward is None else [reward] * 4)
