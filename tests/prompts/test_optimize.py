"""Optimisation on a simulated team whose weak block is known: it is found, and nothing else changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_kit import CountingTeam, told

from credit_hooks.demo.order_desk import LocalCritic, desk_blocks, desk_team, evaluate, orders
from credit_hooks.demo.order_desk.skills import SKILLS
from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import Budget, Gate, PromptBlock, PromptSet, Spent, diagnose, every_block, optimize
from credit_hooks.prompts.collect import PROMPTS_KEY
from credit_hooks.prompts.evidence import evidence_of
from credit_hooks.prompts.team import Job
from credit_hooks.store import RunStore

TASKS = orders(60, seed=1)
PLENTY = Budget(system_runs=300, model_calls=40)
PLANTED = [("goods", "percent"), ("reader", "dozen"), ("desk", "voucher"), ("cashier", "round"), ("extras", "wrapping")]


def improve(team, critic, budget=PLENTY, **options):
    return optimize(team, options.pop("tasks", TASKS), evaluate, critic, budget, **options)


@pytest.mark.parametrize("width", [1, None], ids=["one block", "adaptive"])
@pytest.mark.parametrize(("role", "skill"), PLANTED)
def test_the_planted_weak_block_is_found_and_nothing_else_changes(role, skill, width):
    found = improve(desk_team([skill]), LocalCritic(), width=width)
    assert found.changed == (role,)
    unchanged = {block.role: block.text.encode() for block in desk_blocks([skill]) if block.role != role}
    assert {block.role: block.text.encode() for block in found.after if block.role != role} == unchanged
    assert found.scores_before.held_out < found.scores_after.held_out == 1.0
    (kept,) = found.kept
    assert kept.right_to_wrong == 0
    assert kept.wrong_to_right >= 5
    taught = next(known.sentence for known in SKILLS if known.name == skill)
    assert f"+{taught}" in kept.edits[0].diff().splitlines()


def test_a_noisy_team_is_mended_too():
    found = improve(desk_team(["percent", "damaged"], slip=0.02, seed=3), LocalCritic(), width=1)
    assert found.changed == ("goods",)
    assert found.scores_after.held_out >= 0.8


def test_honest_agents_are_found_by_blame_that_their_place_does_not_explain():
    first = 0
    for role, skill in PLANTED:
        team = desk_team([skill])
        prompts = PromptSet(team.blocks)
        jobs = [Job(f"00000000-0000-5000-8000-{n:012d}", task, prompts) for n, task in enumerate(TASKS[:24])]
        runs = team.run(jobs, evaluate, lambda run: None)
        found = {diagnosis.role: diagnosis for diagnosis in diagnose(team.blocks, runs)}
        first += max(found.values(), key=lambda diagnosis: diagnosis.contrast).role == role
        for block in team.blocks:  # role credit is the column sum of C[t, i]
            cells = [cell.credit for run in runs for cell in run.credit.turns if cell.actor_id == block.role]
            assert found[block.role].credit == pytest.approx(sum(cells) / len(runs))
            assert 0.0 <= found[block.role].bottleneck <= 1.0
    assert first >= 4


@pytest.mark.parametrize("seed", range(2))
def test_a_poisoned_critic_does_no_harm(seed):
    team = desk_team(["percent", "damaged"], seed=seed)
    found = improve(team, LocalCritic(poison=0.5, seed=seed), seed=seed)
    fresh = [
        Job(f"00000000-0000-5000-8000-{n:012d}", task, found.prompts) for n, task in enumerate(orders(30, seed=99))
    ]
    before = [job._replace(prompts=PromptSet(team.blocks)) for job in fresh]
    scores = [[run.credit.outcome for run in team.run(jobs, evaluate, lambda run: None)] for jobs in (before, fresh)]
    assert sum(scores[1]) >= sum(scores[0])


def refuses(request):
    return "I am sorry, I cannot help with that."


def raises(request):
    raise ConnectionError("no route to the critic")


@pytest.mark.parametrize(
    ("critic", "said"),
    [
        (refuses, "no <prompt>"),
        (raises, "raised ConnectionError"),
        (lambda request: None, "returned NoneType"),
        (lambda request: told(request.block.text), "the one that was there"),
    ],
)
def test_a_critic_that_is_no_use_costs_an_attempt_and_is_reported(critic, said):
    team = CountingTeam()
    found = improve(team, critic, Budget(system_runs=300, model_calls=3), width=1)
    assert [attempt.decision for attempt in found.attempts] == ["no rewrite"] * 3
    assert all(said in attempt.edits[0].problem for attempt in found.attempts)
    assert said in str(found)
    assert len({attempt.roles for attempt in found.attempts}) > 1  # it goes on to other blocks
    assert found.spent == Spent(system_runs=16, model_calls=3)
    assert len(team.jobs) == 16
    assert found.changed == ()
    assert "model calls" in found.stopped


def test_a_block_whose_agents_never_act_is_told():
    team = CountingTeam()
    team.blocks = (*team.blocks, PromptBlock(role="clerk", text="?"))
    with pytest.warns(RuntimeWarning, match="no agent clerk acted in 16 runs.*cashier, desk, extras"):
        improve(team, LocalCritic(), width=1, max_attempts=1)


def test_one_bad_answer_does_not_end_the_optimisation():
    answers = iter([refuses, raises])
    good = LocalCritic()
    found = improve(desk_team(["dozen"]), lambda request: next(answers, good)(request), width=1)
    assert found.changed == ("reader",)


@settings(max_examples=12)
@given(st.integers(0, 60), st.integers(0, 6), st.sampled_from([1, None]))
def test_the_budget_is_never_exceeded(system_runs, model_calls, width):
    team, critic = CountingTeam(), LocalCritic(poison=0.3)
    found = improve(team, critic, Budget(system_runs=system_runs, model_calls=model_calls), width=width)
    assert len(team.jobs) == found.spent.system_runs <= system_runs
    assert critic.calls == found.spent.model_calls <= model_calls
    assert len({job.run_id for job in team.jobs}) == len(team.jobs)  # and no run is made twice


def test_held_out_tasks_are_never_shown_to_the_critic():
    shown = []

    def critic(request):
        shown.append(request.prompt)
        return LocalCritic()(request)

    improve(desk_team(), critic, held_out=TASKS[30:], tasks=TASKS[:30])
    assert shown
    assert not [task.id for task in TASKS[30:] if any(task.input in prompt for prompt in shown)]


def test_the_evidence_is_of_several_runs_worst_first():
    team = desk_team()
    jobs = [Job(f"00000000-0000-5000-8000-{n:012d}", t, PromptSet(team.blocks)) for n, t in enumerate(TASKS[:16])]
    runs = team.run(jobs, evaluate, lambda run: None)
    goods = PromptSet(team.blocks).block("goods")
    evidence = evidence_of(goods, runs, TASKS)
    earned = [run.credit for run in evidence.failures]
    assert earned == sorted(earned)
    assert earned[0] == min(run.credit.agents["goods"] for run in runs)
    assert evidence.successes
    assert all("Goods:" in run.said[0] for run in (*evidence.failures, *evidence.successes))
    assert any(run.first_error for run in evidence.failures)
    assert {run.run_id for run in evidence.failures} <= {run.trajectory.id for run in runs}


def test_everything_is_in_the_store_with_its_prompts(tmp_path):
    team, critic = CountingTeam(), LocalCritic()
    found = improve(team, critic, store=tmp_path / "runs.db", width=1)
    with RunStore(tmp_path / "runs.db") as store:
        notes = {run.trajectory.id: run.trajectory.meta[PROMPTS_KEY] for run in store}
        runs = [note for note in notes.values() if "blocks" in note]
        assert len(runs) == found.spent.system_runs == len(team.jobs)
        assert {note["version"] for note in runs} == {job.prompts.version for job in team.jobs}
        texts = {block["text"] for note in runs for block in note["blocks"] if block["role"] == "goods"}
        assert {PromptSet(found.before)["goods"], found.prompts["goods"]} <= texts
        critiques = [run for run in store if run.trajectory.name == "critique"]
        assert len(critiques) == found.spent.model_calls
        assert [message.actor_id for message in critiques[0].trajectory.messages] == ["optimizer", "critic"]
        edit = found.attempts[0].edits[0]
        assert set(edit.evidence) <= set(notes)
        assert edit.critique_id in notes
        (result,) = [note["result"] for note in notes.values() if "result" in note]
        assert type(found).model_validate(result) == found


def test_partial_credit_moves_where_right_and_wrong_do_not():
    """A task is half done for each skill of the goods clerk; no run is right before both are there."""
    hard = [task for task in orders(300, seed=5) if "percent" in task.input and "damaged" in task.input][:40]

    def partly(run, task):
        said = next(message.text for message in run.messages if "Goods:" in message.text)
        return evaluate(run, task) or 0.25 * ("discount is in cents" not in said) + 0.25 * ("probably" not in said)

    sparse = optimize(desk_team(), hard, evaluate, LocalCritic(), PLENTY, width=1, max_attempts=8)
    assert sparse.changed == ()
    partial = optimize(desk_team(), hard, partly, LocalCritic(), PLENTY, width=1, max_attempts=8)
    assert partial.changed == ("goods",)
    assert partial.scores_after.held_out == 1.0
    assert partial.attempts[0].wrong_to_right == 0 < partial.attempts[0].mean_gain


def test_wide_attempts_that_fail_are_narrowed():
    found = improve(desk_team(["dozen"]), LocalCritic(healthy="harmful"))
    sizes = [len(attempt.roles) for attempt in found.attempts]
    assert sizes[0] == 4  # all role blocks; the aggregation is of the other kind
    assert sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)
    kinds = [{found.prompts.block(role).kind for role in attempt.roles} for attempt in found.attempts]
    assert all(len(kind) == 1 for kind in kinds)


def test_blocks_that_a_critic_would_keep_are_kept():
    found = improve(desk_team(["dozen"]), LocalCritic(healthy="keep"))
    first = found.attempts[0]
    assert first.decision == "kept"
    assert [edit.role for edit in first.edits if edit.after is not None] == ["reader"]
    assert found.changed == ("reader",)


def test_nothing_is_done_where_nothing_fails_or_nothing_is_known():
    team = CountingTeam(desk_team([]))
    found = improve(team, raises)
    assert "No training run fails" in found.stopped
    assert (found.spent, found.attempts) == (Spent(system_runs=16), ())
    unknown = optimize(CountingTeam(), TASKS, lambda run, task: None, raises, PLENTY)
    assert "no verdict" in unknown.stopped


def test_a_selector_of_the_users_own():
    found = improve(desk_team(["dozen"]), LocalCritic(healthy="keep"), select=every_block)
    assert [len(attempt.roles) for attempt in found.attempts] == [5]
    assert found.changed == ("reader",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 0}, "width=0"),
        ({"evidence_tasks": 0}, "evidence_tasks=0"),
        ({"critic_timeout": 0}, "critic_timeout=0"),
        ({"held_out": 1.5}, "held_out"),
        ({"tasks": [TASKS[0], TASKS[0]]}, "there twice"),
    ],
)
def test_what_cannot_work_is_refused(options, said):
    with pytest.raises(ConfigurationError, match=said):
        improve(desk_team(), LocalCritic(), **options)


def test_the_exact_gate_uses_all_held_out_tasks():
    found = improve(desk_team(["dozen"]), LocalCritic(), gate=Gate(test="exact", level=0.05), width=1)
    assert found.kept[0].tasks == 30


def test_every_skill_is_teachable():
    assert {skill.role for skill in SKILLS} == {block.role for block in desk_blocks()}
    team = desk_team([])
    jobs = [Job(f"00000000-0000-5000-8000-{n:012d}", t, PromptSet(team.blocks)) for n, t in enumerate(TASKS)]
    assert all(run.credit.outcome == 1.0 for run in team.run(jobs, evaluate, lambda run: None))
