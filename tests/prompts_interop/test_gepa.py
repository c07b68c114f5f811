"""The real GEPA over a real LangGraph team: which component it rewrites follows our credit. No network.

The team is a simulation whose prompts matter by construction (`credit_hooks.demo.order_desk`).
"""

import pytest

pytest.importorskip("gepa", reason="GEPA is not installed: pip install 'credit-hooks[gepa]'")
pytest.importorskip("langchain", reason="LangChain is not installed: pip install 'credit-hooks[demo]'")

import gepa

from credit_hooks.demo.order_desk import desk_blocks, desk_team, evaluate, orders
from credit_hooks.demo.order_desk.skills import SKILLS
from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import PromptBlock
from credit_hooks.prompts.interop.gepa import CreditSelector, Rollout, TeamAdapter

TASKS = orders(60, seed=1)
PLANTED = [("goods", "percent"), ("reader", "dozen"), ("cashier", "round")]


def reflection_lm(prompts):
    """Teaches what the shown prompt lacks, in the form that GEPA asks for; a fixed function of its input."""

    def answer(prompt):
        text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
        prompts.append(text)
        current = text.split("```")[1].strip()
        role = current.split("You are ")[1].split(".")[0]
        lacking = [skill.sentence for skill in SKILLS if skill.role == role and skill.sentence not in current]
        return f"```\n{' '.join([current, *lacking[:1]])}\n```"

    return answer


def optimize(adapter, selector, **options):
    prompts = []
    found = gepa.optimize(
        seed_candidate=adapter.candidate,
        trainset=TASKS[:30],
        valset=TASKS[30:],
        adapter=adapter,
        reflection_lm=reflection_lm(prompts),
        module_selector=selector,
        reflection_minibatch_size=8,
        skip_perfect_score=False,
        seed=0,
        display_progress_bar=False,
        **options,
    )
    return found, prompts


@pytest.mark.parametrize(("role", "skill"), PLANTED)
def test_gepa_rewrites_the_planted_component_and_reads_our_feedback(role, skill):
    blocks = desk_blocks([skill])
    adapter = TeamAdapter(desk_team([skill], parallel=False), evaluate)
    selector = CreditSelector(blocks)
    found, prompts = optimize(adapter, selector, max_metric_calls=150)
    best = found.best_candidate
    assert {name for name in best if best[name] != adapter.candidate[name]} == {role}
    assert found.val_aggregate_scores[found.best_idx] == 1.0
    assert selector.chosen.index((role,)) <= 1
    assert any("(credit " in prompt for prompt in prompts)
    assert adapter.system_runs >= 60


def test_an_evaluation_is_one_run_per_task_with_the_candidates_prompts():
    kept = []
    adapter = TeamAdapter(desk_team(["percent"], parallel=False), evaluate, on_run=kept.append)
    batch = adapter.evaluate(TASKS[:4], {**adapter.candidate, "goods": "You are goods."}, capture_traces=True)
    assert [rollout.task for rollout in batch.trajectories] == TASKS[:4]
    runs = [rollout.run for rollout in batch.trajectories]
    assert sorted(run.trajectory.id for run in runs) == sorted(run.trajectory.id for run in kept)
    assert batch.scores == [run.credit.outcome for run in runs]
    assert [run.trajectory.task_id for run in runs] == [task.id for task in TASKS[:4]]
    assert all("You are goods." in str(run.trajectory.meta) for run in kept)
    assert adapter.evaluate(TASKS[:1], adapter.candidate).trajectories is None
    records = adapter.make_reflective_dataset(adapter.candidate, batch, ["goods"])["goods"]
    assert records
    for record in records:
        assert set(record) == {"Inputs", "Generated Outputs", "Feedback"}


def test_a_component_that_was_not_mended_comes_after_the_others():
    team = desk_team(["percent"], parallel=False)
    adapter = TeamAdapter(team, evaluate)
    selector = CreditSelector(team.blocks)
    candidate = adapter.candidate
    runs = adapter.evaluate(TASKS[:12], candidate, capture_traces=True).trajectories
    scores = [rollout.run.credit.outcome for rollout in runs]
    chosen = [selector(None, runs if not n else [], scores, 0, candidate)[0] for n in range(2 * len(candidate))]
    assert chosen[0] == "goods"
    assert sorted(chosen[: len(candidate)]) == sorted(candidate)
    changed = {**candidate, "goods": candidate["goods"] + " More."}
    assert selector(None, runs, scores, 1, changed) == ["goods"], "another candidate, another start"


def test_without_anything_to_credit_components_are_taken_in_turn():
    selector = CreditSelector(width=2)
    candidate = {"a": "A", "b": "B", "c": "C"}
    assert [selector(None, [object()], [0.0], 0, candidate) for _ in range(3)] == [["a", "b"], ["c", "a"], ["b", "c"]]


def test_unknown_components_and_odd_numbers_are_refused():
    with pytest.raises(ConfigurationError, match="'b'"):
        CreditSelector([PromptBlock(role="a", text="A")])(None, [], [], 0, {"a": "A", "b": "B"})
    with pytest.raises(ConfigurationError):
        CreditSelector(width=0)
    assert Rollout(TASKS[0], None).task is TASKS[0]
