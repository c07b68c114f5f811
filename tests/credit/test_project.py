import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from credit_hooks.credit import project

REWARDS = arrays(np.float64, st.integers(0, 12), elements=st.floats(-3, 3, allow_subnormal=False))


@given(REWARDS)
def test_projection_is_bounded_and_keeps_the_sum_where_it_can(rewards):
    result = project(rewards)
    reachable = np.clip(rewards.sum(), -rewards.size, rewards.size)
    assert (np.abs(result) <= 1).all()
    assert abs(result.sum() - reachable) <= 1e-12


@given(REWARDS, st.data())
def test_projection_keeps_the_order_and_what_is_within_bounds(rewards, data):
    result = project(rewards)
    order = np.argsort(rewards, kind="stable")
    assert (np.diff(result[order]) >= -1e-12).all()
    if (np.abs(rewards) <= 1).all():
        assert result.tolist() == rewards.tolist()


def test_what_is_cut_off_goes_to_the_others_and_is_not_lost():
    np.testing.assert_allclose(project(np.array([1.5, -0.5, 0.0])), [1.0, -0.25, 0.25], atol=1e-14)
