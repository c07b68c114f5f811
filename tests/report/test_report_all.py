"""The page of all runs: true to the store, bounded whatever the store, everything escaped, nothing loaded."""

import base64
import contextlib
import hashlib
import sqlite3

import pytest
from html_page import HOSTILE, Page
from hypothesis import given
from hypothesis import strategies as st
from many_runs import history

from credit_hooks.report import render_all
from credit_hooks.report.overview.picks import MAX_MESSAGES, MAX_RUNS, Picks
from credit_hooks.report.overview.tally import MAX_AGENTS, OTHERS, Tally
from credit_hooks.report.overview.timeline import MAX_BINS, Timeline
from credit_hooks.report.text import signed
from credit_hooks.store import RunStore

pytest.importorskip("jinja2")


@pytest.fixture
def store(tmp_path):
    with RunStore(tmp_path / "runs.db") as opened:
        yield opened


@pytest.fixture
def filled(store, make_run):
    for run in history(make_run, 300):
        store.put(run)
    return store


def tally_of(store):
    tally = Tally()
    for row in store.credits():
        tally.add(row)
    return tally


# --- numbers --------------------------------------------------------------------------------------------------------


def test_agents_earn_what_the_runs_say(filled):
    lines = {line.name: line for line in tally_of(filled).agents()[0]}
    credited = [run for run in filled if run.credit.status == "credited"]
    for line in lines.values():
        values = [run.credit.agents[f"a:{line.name}"] for run in credited]
        good = [value for run, value in zip(credited, values, strict=True) if run.credit.total > 0]
        assert (line.runs, line.total) == (len(values), pytest.approx(sum(values)))
        assert line.mean == pytest.approx(sum(values) / len(values))
        assert line.succeeded == pytest.approx(sum(good) / len(good))
        blamed = [run.credit.first_error for run in credited if run.credit.first_error]
        assert line.first_errors == sum(error.actor_id == f"a:{line.name}" for error in blamed)
        spread = sum((value - line.mean) ** 2 for value in values) / (len(values) - 1) / len(values)
        assert line.std_err == pytest.approx(spread**0.5)
    assert len(lines) == 5


def test_the_worst_messages_are_the_worst(filled):
    picked = [message.reward for message in tally_of(filled).picks.messages()]
    everything = sorted(reward.reward for run in filled for reward in run.credit.messages if (reward.reward or 0) < 0)
    assert picked == everything[:MAX_MESSAGES]
    assert tally_of(filled).picks.punished == len(everything) > MAX_MESSAGES


def test_every_run_that_stands_out_is_there_up_to_the_limit(filled):
    picks = tally_of(filled).picks
    by_reason = {reason: [run.summary.id for run in picks.runs() if reason in run.reasons] for reason in picks.counts}
    runs = list(filled)
    assert set(by_reason["uncredited"]) == {run.trajectory.id for run in runs if run.credit.status != "credited"}
    assert set(by_reason["low_evidence"]) == {run.trajectory.id for run in runs if run.credit.low_evidence}
    assert set(by_reason["error"]) == {run.trajectory.id for run in runs if run.trajectory.status == "error"}
    lowest = sorted(min(run.credit.agents.values(), default=0.0) for run in runs)[:MAX_RUNS]
    assert [run.summary.worst_credit for run in picks.runs()[:MAX_RUNS]] == pytest.approx(lowest)
    assert picks.counts["blame"] > MAX_RUNS == len(by_reason["blame"])


def test_of_many_alike_the_newest_are_kept(make_run, store):
    for number in range(MAX_RUNS + 7):
        store.put(make_run(f"run-{number:03d}", outcome=None))
    kept = {run.summary.id for run in tally_of(store).picks.runs()}
    assert kept == {f"run-{number:03d}" for number in range(7, MAX_RUNS + 7)}


def test_agents_of_one_name_are_one_agent(make_run, store):
    run = make_run(agents=("twin", "other", "third"), rewards=(0.2, 0.1, 0.2), outcome=1.0)
    actors = tuple(
        actor.model_copy(update={"name": "twin"}) if actor.name == "other" else actor for actor in run.trajectory.actors
    )
    store.put(run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"actors": actors})}))
    lines = {line.name: (line.runs, line.total) for line in tally_of(store).agents()[0]}
    assert lines == {"twin": (1, pytest.approx(0.3)), "third": (1, pytest.approx(0.2))}


def test_beyond_the_limits_agents_are_added_up_and_said(make_run, store):
    for number in range(400):
        store.put(make_run(f"run-{number}", agents=(f"agent {number}", "always", "b")))
    tally = tally_of(store)
    lines = {line.name: line for line in tally.agents()[0]}
    assert len(lines) == MAX_AGENTS
    assert lines["always"].runs == 400
    assert lines[OTHERS].runs == 400 - 298
    page = render_all(store)
    assert f"{301 - MAX_AGENTS} agents with fewer runs are not shown" in " ".join(Page(page).text.split())


EVENTS = st.lists(
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.sampled_from("sf"), st.floats(-1, 1)), min_size=1, max_size=50
)


@given(events=EVENTS)
def test_a_timeline_loses_nothing_and_stays_small(events):
    timeline = Timeline()
    for time_ns, verdict, value in events:
        timeline.add(time_ns, verdict, {"a": value})
    for _ in range(2):
        bins = timeline.bins()
        assert 1 <= len(bins) <= MAX_BINS
        assert sum(bin_.runs.total() for bin_ in bins) == len(events)
        assert sum(bin_.credit["a"][0] for bin_ in bins if "a" in bin_.credit) == pytest.approx(
            sum(value for _, _, value in events), abs=1e-9
        )
        for time_ns, verdict, _ in events:
            assert bins[(time_ns - timeline.start_ns) // timeline.width].runs[verdict]
        timeline.coarsen()


@given(values=st.lists(st.floats(-1, 1) | st.just(-0.5), max_size=300))
def test_the_lowest_are_kept_whatever_their_order_and_of_equal_ones_the_newest(values):
    from credit_hooks.report.overview.picks import _Lowest

    lowest = _Lowest(7)
    for place, value in enumerate(values):
        if lowest.takes(value):
            lowest.add(value, place)
    assert lowest.items() == sorted(range(len(values)), key=lambda place: (values[place], -place))[:7]


# --- page -----------------------------------------------------------------------------------------------------------


def test_the_page_says_what_was_tallied(filled):
    text = " ".join(Page(render_all(filled)).text.split())
    tally = tally_of(filled)
    assert "300 runs mean outcome" in text
    for line in tally.agents()[0]:
        assert f"{line.name} {line.runs} runs {signed(line.mean)} ± {line.std_err:.3f}" in text
    for reason, said in (("error", "errors"), ("uncredited", "not credited"), ("low_evidence", "low evidence")):
        assert f"{said} " in text
        assert str(tally.picks.counts[reason]) in text
    assert f"biggest blame {MAX_RUNS} of {tally.picks.counts['blame']} (the lowest)" in text
    assert f"The 100 lowest of {tally.picks.punished} messages with a negative reward" in text


def test_contents_are_read_only_of_what_stands_out(filled, monkeypatch):
    read = []
    get = RunStore.get
    monkeypatch.setattr(RunStore, "get", lambda self, run_id: read.append(run_id) or get(self, run_id))
    render_all(filled)
    assert len(read) == len(set(read)) < 200
    monkeypatch.setattr(RunStore, "__iter__", lambda self: pytest.fail("all trajectories were read"))
    render_all(filled)


def test_progress_counts_every_run(filled):
    seen = []
    render_all(filled, progress=lambda: seen.append(1))
    assert len(seen) == 300


def test_empty_and_uncredited_and_single_stores_each_give_a_page(store, make_run):
    assert "The store is empty" in Page(render_all(store)).text
    store.put(make_run(outcome=None))
    text = Page(render_all(store)).text
    assert "Nobody was credited yet" in text
    assert "1 run" in text
    store.put(make_run("run-2", rewards=(0.1, 0.3, 0.1), outcome=1.0))
    assert "No message has a negative reward" in Page(render_all(store)).text


def test_damaged_runs_are_counted_and_left_out(filled):
    with contextlib.closing(sqlite3.connect(filled.path, isolation_level=None)) as raw:
        raw.execute("UPDATE runs SET credit = x'00' WHERE id IN ('run-000001', 'run-000002')")
        raw.execute(
            "UPDATE runs SET trajectory = x'00' WHERE id IN (SELECT id FROM runs ORDER BY worst_credit LIMIT 1)"
        )
    text = " ".join(Page(render_all(filled)).text.split())
    assert "2 runs cannot be read and are not counted" in text
    assert "(this run cannot be read)" in text


def everywhere(make_run, store, text):
    """A store with this text in every place that the page shows."""
    for number, outcome in enumerate((0.0, 1.0, None)):
        texts, agents = [text * 2] * 3, (text, text + "2", "c")
        run = make_run(f"{text}{number}", name=text, texts=texts, agents=agents, first_error=2, outcome=outcome)
        trajectory = run.trajectory.model_copy(update={"framework": text, "task": text})
        credit = run.credit.model_copy(update={"notes": (text,), "low_evidence": True})
        store.put(run.model_copy(update={"trajectory": trajectory, "credit": credit}))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_content_adds_no_element_and_no_attribute(make_run, store, tmp_path, text):
    def skeleton(page):
        return [(tag, sorted(attributes)) for tag, attributes in page.elements]

    everywhere(make_run, store, text)
    with RunStore(tmp_path / "harmless.db") as harmless:
        everywhere(make_run, harmless, "harmless\ntext" if "\u2028" in text else "harmless text")
        expected = skeleton(Page(render_all(harmless)))
    assert skeleton(Page(render_all(store))) == expected


def test_the_policy_allows_the_pages_own_style_and_script_by_hash_and_nothing_else(filled):
    page = Page(render_all(filled))
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    hashes = {
        tag: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for tag, _, text in page.raw
    }
    assert policy == (
        f"default-src 'none'; style-src {hashes['style']}; script-src {hashes['script']}; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not any({"src", "href", "srcset", "action", "style"} & set(attributes) for _, attributes in page.elements)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


@pytest.mark.parametrize("letter", ["数", "\x01", "&"])
def test_the_page_stays_under_three_megabytes(make_run, store, letter):
    long = letter * 2_000
    for number in range(150):
        agents = tuple(f"{long}{number % 3}{agent}" for agent in range(12))
        run = make_run(f"{long}{number}", agents=agents, rewards=[-0.5 / 12] * 12, texts=[long] * 12,
                       outcome=0.0 if number % 2 else None, name=long)  # fmt: skip
        credit = run.credit.model_copy(update={"notes": (long,), "low_evidence": True})
        store.put(run.model_copy(update={"credit": credit, "trajectory": run.trajectory}))
    size = len(render_all(store).encode())
    assert 500_000 < size < 3_000_000


def test_picks_hold_no_more_than_their_limits(make_run, store):
    for run in history(make_run, 800, seed=3):
        store.put(run)
    picks = tally_of(store).picks
    assert isinstance(picks, Picks)
    assert len(picks.runs()) <= 4 * MAX_RUNS
    assert len(picks.messages()) == MAX_MESSAGES
