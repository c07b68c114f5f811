"""What replays wrote becomes training data: at the very prompt of the message that it stands in for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("credit_hooks_exporters")

from credit_hooks import registry
from credit_hooks.credit import assign_credit
from credit_hooks.credit.failures import with_labels
from credit_hooks.errors import ConfigurationError
from credit_hooks.failure.replacements import Replacement, replacements_of
from credit_hooks.rewards import CreditedRun, Reward
from credit_hooks.trajectory import Label, TextPart, ToolCallPart, WithheldPart


def rewarded(run, rewards):
    """The run with these rewards, as far as pairing looks at them."""
    credit = assign_credit(run)
    messages = tuple(
        Reward(message_id=f"m{n}", actor_id=message.actor_id, reward=rewards.get(n, 0.0))
        for n, message in enumerate(run.messages)
    )
    total = sum(rewards.values())
    first = credit.first_error.model_copy(update={"message_id": "m2", "index": 2})
    return CreditedRun(
        trajectory=run,
        credit=credit.model_copy(update={"messages": messages, "total": total, "first_error": first}),
    )


def replacement(text="6 times 7 is 42.", *, message_id="m2", outcome=1.0, **fields):
    parts = fields.pop("parts", (TextPart(text=text),))
    return Replacement(message_id=message_id, parts=parts, outcome=outcome, observed=0.0, **fields)


@pytest.fixture
def rows(tmp_path):
    def export(form, *runs, **options):
        path = tmp_path / f"{form}.jsonl"
        manifest = registry.exporter(form).write(runs, path, **options)
        return [json.loads(line) for line in path.read_text().splitlines()], manifest

    return export


def test_a_replacement_that_succeeded_is_chosen_at_the_prompt_of_the_error(team, rows):
    run = rewarded(with_labels(team, [replacement().label()]), {2: -0.3, 4: 0.1})
    (pair,), manifest = rows("trl-dpo", run)
    assert pair["chosen"][0]["content"] == "6 times 7 is 42."
    assert pair["rejected"][0]["content"] == "6 times 7 is 48."
    assert (pair["evidence"], pair["margin"], pair["message_id"]) == ("replay", 1.0, "m2/replay0")
    assert (pair["rejected_id"], pair["rejected_reward"]) == ("m2", -0.3)
    (kto, *_), _ = rows("trl-kto", rewarded(team, {2: -0.3}))
    assert pair["prompt"] == kto["prompt"]
    assert manifest.reward + sum(manifest.dropped_reward.values()) == pytest.approx(manifest.total)


def test_the_widest_of_several_replacements_is_taken_and_unclear_ones_are_not(team, rows):
    several = [
        replacement("a", outcome=0.4),
        replacement("b", outcome=0.9),
        replacement("c", outcome=1.0, tries=3, std_err=0.6),
    ]
    (pair,), _ = rows("trl-dpo", rewarded(with_labels(team, [one.label() for one in several]), {2: -0.3}))
    assert (pair["chosen"][0]["content"], pair["margin"]) == ("b", 0.9)


def test_calls_of_tools_are_replacements_too_and_private_or_empty_ones_are_none(team, rows):
    call = replacement(parts=(ToolCallPart(id="x", name="multiply", arguments={"a": 6, "b": 7}),))
    (pair,), _ = rows("trl-dpo", rewarded(with_labels(team, [call.label()]), {2: -0.3}))
    assert pair["chosen"][0]["tool_calls"][0]["function"]["name"] == "multiply"
    for nothing in (replacement(parts=()), replacement(parts=(WithheldPart(),))):
        assert rows("trl-dpo", rewarded(with_labels(team, [nothing.label()]), {2: -0.3}))[0] == []


def test_a_rewarded_message_is_never_rejected_for_a_replay(team, rows):
    assert rows("trl-dpo", rewarded(with_labels(team, [replacement().label()]), {2: 0.3}))[0] == []


def test_a_failure_without_a_counterpart_is_undesirable_and_nothing_else_is(team, rows):
    run = rewarded(team, {2: -0.3, 3: -0.1, 4: 0.1})
    alone, manifest = rows("trl-kto", run, unpaired=True)
    assert [(row["message_id"], row["label"]) for row in alone] == [("m2", False)]
    assert manifest.dropped["no_unpaired_failure"] == 2
    paired = rewarded(with_labels(team, [replacement().label()]), {2: -0.3, 3: -0.1, 4: 0.1})
    assert rows("trl-kto", paired, unpaired=True)[0] == []
    assert len(rows("trl-kto", paired)[0]) == 3
    with pytest.raises(ConfigurationError, match="trl-kto"):
        rows("trl-dpo", run, unpaired=True)


parts = st.lists(
    st.builds(TextPart, text=st.text(max_size=9)) | st.builds(ToolCallPart, name=st.text(min_size=1, max_size=5)),
    max_size=3,
).map(tuple)


@given(parts, st.floats(0, 1), st.floats(0, 1), st.none() | st.floats(0, 1))
def test_a_replacement_survives_its_label(made, outcome, observed, std_err):
    one = Replacement(message_id="m1", parts=made, outcome=outcome, observed=observed, std_err=std_err)
    label = Label.model_validate_json(one.label().model_dump_json())
    assert replacements_of([label]) == [one]
    assert abs(one.gain) <= 1
    assert not one.is_clear or one.gain


def test_labels_that_hold_no_replacement_are_passed_over():
    good = replacement().label()
    broken = [
        good.model_copy(update={"value": None}),
        good.model_copy(update={"value": {"message_id": "m2"}}),
        good.model_copy(update={"target_id": "m3"}),
        good.model_copy(update={"name": "other"}),
    ]
    assert replacements_of(broken) == []
