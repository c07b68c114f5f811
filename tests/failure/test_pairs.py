"""Pairs of attempts: only of real counterparts, the better one always rewarded, the worse one always punished."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from credit_hooks.failure.pairs import Attempt, repair_pairs, replay_pair, sibling_pair, undesirable

FAILED = Attempt(("run", "m1"), "solver", "p1", "wrong", "call", -0.5, failed=True)
REPAIR = Attempt(("run", "m4"), "solver", "p4", "right", "call", 0.25)
SIBLING = Attempt(("other", "m1"), "solver", "p1", "right", "call", 0.75)


def test_a_failure_is_paired_with_the_first_later_repair():
    later = replace(REPAIR, key=("run", "m6"), content="right again")
    (pair,) = repair_pairs([FAILED, REPAIR, later])
    assert (pair.chosen, pair.rejected, pair.evidence, pair.margin) == (REPAIR, FAILED, "repair", 0.75)


def test_nothing_else_counts_as_a_repair():
    for not_one in (
        [REPAIR, FAILED],
        [replace(FAILED, failed=False), REPAIR],
        [replace(FAILED, reward=0.1), REPAIR],
        [FAILED, replace(REPAIR, reward=-0.1)],
        [FAILED, replace(REPAIR, author="checker")],
        [FAILED, replace(REPAIR, form="text")],
        [FAILED, replace(REPAIR, content="wrong")],
    ):
        assert repair_pairs(not_one) == []
    assert repair_pairs([FAILED, REPAIR], threshold=0.3) == []


def test_siblings_are_compared_at_the_same_point_only():
    best = replace(SIBLING, key=("third", "m1"), reward=0.9)
    pair = sibling_pair(FAILED, [SIBLING, best])
    assert pair is not None
    assert (pair.chosen, pair.rejected, pair.evidence) == (best, FAILED, "sibling")
    assert sibling_pair(SIBLING, [FAILED]).chosen == SIBLING
    for not_one in (
        replace(SIBLING, prefix="p2"),
        replace(SIBLING, author="checker"),
        replace(SIBLING, content="wrong"),
        replace(SIBLING, reward=-0.1),
        replace(SIBLING, key=("run", "m9")),
    ):
        assert sibling_pair(FAILED, [not_one]) is None


attempts = st.lists(
    st.builds(
        Attempt,
        key=st.tuples(st.sampled_from("rs"), st.integers(0, 99).map("m{}".format)),
        author=st.sampled_from("ab"),
        prefix=st.sampled_from("pq"),
        content=st.sampled_from("xyz"),
        form=st.sampled_from("tc"),
        reward=st.sampled_from([-0.5, -0.1, 0.0, 0.1, 0.5]),
        failed=st.booleans(),
    ),
    max_size=8,
)


@given(attempts, st.sampled_from([0.0, 0.2]))
def test_a_rewarded_attempt_is_never_rejected(found, threshold):
    pairs = repair_pairs(found, threshold=threshold)
    pairs += [pair for one in found if (pair := sibling_pair(one, found, threshold=threshold))]
    for pair in pairs:
        assert pair.chosen.reward > threshold
        assert pair.rejected.reward < -threshold
        assert pair.chosen.author == pair.rejected.author
        assert pair.chosen.content != pair.rejected.content


REPLAYED = Attempt(("run", "m1/replay0"), "solver", "p1", "right", "call", 1.0)


def test_what_a_replay_wrote_is_chosen_by_what_it_gained_and_rejected_by_what_it_lost():
    pair = replay_pair(FAILED, REPLAYED)
    assert (pair.chosen, pair.rejected, pair.evidence, pair.margin) == (REPLAYED, FAILED, "replay", 1.0)
    good = replace(FAILED, reward=0.4, failed=False)
    worse = replay_pair(good, replace(REPLAYED, reward=-0.75))
    assert (worse.chosen, worse.margin) == (good, 0.75)
    for attempt, replayed in (
        (good, REPLAYED),  # a rewarded message is never rejected, whatever a replay gained
        (FAILED, replace(REPLAYED, reward=-0.5)),
        (FAILED, replace(REPLAYED, reward=0.0)),
        (FAILED, replace(REPLAYED, prefix="p2")),
        (FAILED, replace(REPLAYED, author="checker")),
        (FAILED, replace(REPLAYED, content="wrong")),
    ):
        assert replay_pair(attempt, replayed) is None


def all_pairs(found, threshold=0.0):
    pairs = repair_pairs(found, threshold=threshold)
    pairs += [pair for one in found if (pair := sibling_pair(one, found, threshold=threshold))]
    pairs += [pair for a in found for b in found if (pair := replay_pair(a, b, threshold=threshold))]
    return pairs


@given(attempts, st.sampled_from([0.0, 0.2]))
def test_both_sides_were_written_answer_one_prefix_and_have_a_margin(found, threshold):
    for pair in all_pairs(found, threshold):
        assert pair.chosen in found
        assert pair.rejected in found
        assert pair.prefix == pair.rejected.prefix
        assert 0 < pair.margin <= 2
        if pair.evidence == "repair":
            assert pair.rejected.failed
            assert found.index(pair.rejected) < len(found) - 1 - found[::-1].index(pair.chosen)
            assert pair.chosen.form == pair.rejected.form
        else:
            assert pair.chosen.prefix == pair.prefix


@given(attempts, st.sampled_from([0.0, 0.2]))
def test_a_failure_is_rejected_in_a_pair_or_an_undesirable_example_and_never_both(found, threshold):
    pairs = repair_pairs(found, threshold=threshold)
    alone = undesirable(found, pairs, threshold=threshold)
    rejected = {pair.rejected.key for pair in pairs}
    for attempt in found:
        failure = attempt.failed and attempt.reward < -threshold
        assert failure == (attempt in alone or (failure and attempt.key in rejected))
    assert not rejected & {attempt.key for attempt in alone}
    assert all(attempt.reward < 0 for attempt in alone)
