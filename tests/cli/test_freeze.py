"""`credit-hooks freeze`: prompts of the store as plain files."""

import pytest

pytest.importorskip("typer")
pytest.importorskip("langchain", reason="the order desk is a LangGraph team: pip install 'credit-hooks[demo]'")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.demo.order_desk import LocalCritic, desk_blocks, desk_team, evaluate, orders
from credit_hooks.prompts import Budget, optimize
from credit_hooks.prompts.frozen import thaw
from credit_hooks.store import RunStore


@pytest.fixture(scope="module")
def optimized(tmp_path_factory):
    store = tmp_path_factory.mktemp("store") / "runs.db"
    budget = Budget(system_runs=60, model_calls=3)
    return store, optimize(
        desk_team(["percent"], parallel=False),
        orders(24, seed=1),
        evaluate,
        LocalCritic(),
        budget,
        store=store,
        width=1,
    )


def test_the_newest_optimisation_is_written_and_can_be_read_back(optimized, tmp_path, capsys):
    store, found = optimized
    assert run_cli(["freeze", "--store", str(store), "-o", str(tmp_path / "prompts")]) == 0
    assert "wrote 5 prompts" in capsys.readouterr().out
    assert thaw(tmp_path / "prompts") == found.prompts
    assert (tmp_path / "prompts" / "goods.txt").read_text(encoding="utf-8") == found.prompts["goods"]


def test_so_are_the_prompts_of_a_single_run(optimized, tmp_path):
    store, _ = optimized
    with RunStore(store, read_only=True) as opened:
        run_id = next(run.id for run in opened.list() if run.name == "order desk")
    assert run_cli(["freeze", run_id, "--store", str(store), "-o", str(tmp_path / "prompts")]) == 0
    assert set(thaw(tmp_path / "prompts")) == {block.role for block in desk_blocks()}


def test_runs_without_prompts_and_stores_without_optimisations_say_so(tmp_path, capsys, make_run):
    with RunStore(tmp_path / "r.db") as store:
        store.put(make_run())
        run_id = store.latest().trajectory.id
    arguments = ["--store", str(tmp_path / "r.db"), "-o", str(tmp_path / "prompts")]
    assert run_cli(["freeze", *arguments]) == 2
    assert run_cli(["freeze", run_id, *arguments]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no finished optimisation" in said
    assert "carries no prompts" in said
    assert not (tmp_path / "prompts").exists()
