"""The localiser on failures nobody here wrote: Who&When, read in place, never copied."""

import os
from pathlib import Path

import pytest

from credit_hooks.credit import CreditConfig, assign_credit, fit_localiser

read = pytest.importorskip("credit_hooks_adapters").read

ROOT = Path(os.environ.get("CREDIT_HOOKS_TRAJECTORIES", Path(__file__).parents[3] / "shared" / "trajectories"))
LOGS = ROOT / "whowhen"

pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason=f"no Who&When logs at {LOGS}")


@pytest.fixture(scope="module")
def generated():
    return list(read([LOGS / "algorithm_generated"], "whowhen"))


def test_held_out_first_errors_are_found_far_more_often_than_by_chance_or_at_a_constant_place(generated):
    found = fit_localiser(generated).validation
    assert found.runs == 63
    assert found.step >= 0.4 > 1.5 * max(found.uniform_step, found.constant_step)
    assert found.top_3 >= 0.7


def test_it_does_not_transfer_as_it_says_of_itself(generated):
    fitted = fit_localiser(generated, folds=0)
    hits = []
    for run in read([LOGS / "hand_crafted"], "whowhen"):
        named = assign_credit(run, CreditConfig(localiser=fitted)).first_error.message_id
        hits.append(named == run.labels[0].target_id)
    assert sum(hits) <= 2
    assert "does not transfer" in fitted.note
