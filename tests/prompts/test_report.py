"""The page of an optimisation: everything that was tried is on it, escaped, and the page needs nothing else."""

import re

import pytest
from prompt_kit import told

from credit_hooks.demo.order_desk import LocalCritic, desk_team, evaluate, orders
from credit_hooks.prompts import Budget, optimize
from credit_hooks.report import render_optimization

TASKS = orders(40, seed=1)


@pytest.fixture(scope="module")
def found():
    return optimize(desk_team(), TASKS, evaluate, LocalCritic(), Budget(system_runs=150, model_calls=9), width=1)


def test_attempts_scores_diffs_and_evidence_are_on_the_page(found):
    page = render_optimization(found)
    assert re.findall(r"Attempt (\d+):", page) == [str(attempt.number) for attempt in found.attempts]
    for edit in (edit for attempt in found.attempts for edit in attempt.edits):
        assert edit.diagnosis in page
        assert all(f"<code>{run_id}</code>" in page for run_id in edit.evidence)
    assert '<span class="added">+' in page
    assert f"{100 * found.scores_before.held_out:.1f}%" in page
    assert found.prompts["goods"] in page
    assert page == render_optimization(found)


def test_a_critics_words_are_text_and_nothing_is_loaded():
    hostile = "<script>alert(1)</script>\u202e<img src=x onerror=alert(2)>"
    critic = lambda request: f"<diagnosis>{hostile}</diagnosis>{told(request.block.text + hostile)}"  # noqa: E731
    found = optimize(desk_team(), TASKS, evaluate, critic, Budget(system_runs=60, model_calls=2), width=1)
    page = render_optimization(found)
    assert hostile.partition("\u202e")[0] not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r"(src|href)=[\"']?http", page)


def test_an_optimisation_without_attempts_has_a_page():
    found = optimize(desk_team([]), TASKS, evaluate, LocalCritic(), Budget(system_runs=60, model_calls=2))
    assert "No attempt was made" in render_optimization(found)
