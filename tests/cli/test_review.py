"""`credit-hooks review` and `localise`: a person's word on first errors, kept, never lost, and learnt from."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest

pytest.importorskip("typer")

from credit_hooks.cli.app import run as run_cli
from credit_hooks.credit import assign_credit
from credit_hooks.errors import ConfigurationError, StoreError
from credit_hooks.failure import Localiser, first_error_of
from credit_hooks.rewards import CreditedRun
from credit_hooks.store import RunStore
from credit_hooks.trajectory import Actor, Label, Message, Outcome, TextPart, Trajectory

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="drives a POSIX terminal")


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CREDIT_HOOKS_STORE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def failure(run_id, wrong=2, size=5, *, score=0.0, task="How many?"):
    texts = [f"I looked it up: {110 + n} of them." for n in range(size)]
    texts[wrong] = "Let's assume it is probably 999, a placeholder."
    messages = tuple(
        Message(id=f"{run_id}-{n}", index=n, actor_id="ab"[n % 2], parts=(TextPart(text=text),))
        for n, text in enumerate(texts)
    )
    trajectory = Trajectory(
        id=run_id,
        task=task,
        task_id=run_id,
        messages=messages,
        actors=(Actor(id="a", name="Anna"), Actor(id="b", name="Ben")),
        outcome=Outcome(score=score, success=score >= 0.5),
    )
    return CreditedRun(trajectory=trajectory, credit=assign_credit(trajectory))


@pytest.fixture
def stored():
    def store(*runs):
        with RunStore("runs.db") as opened:
            for run in runs:
                opened.put(run)

    return store


def review(monkeypatch, typed, *options):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return run_cli(["review", "--below", "1.01", "--as", "Rosa", *options])


def label_of(run_id):
    with RunStore("runs.db", read_only=True) as opened:
        return first_error_of(opened.get(run_id).trajectory.labels)


def test_enter_confirms_and_a_number_moves(stored, monkeypatch, capsys):
    first = failure("r1")
    stored(first, failure("r2"))
    suggested = first.credit.first_error
    assert review(monkeypatch, "\n3 he guesses\n") == 0
    said = capsys.readouterr().out
    assert "2 labelled, 0 skipped, 0 left" in said
    assert "credit-hooks localise fit" in said
    labels = {run_id: label_of(run_id) for run_id in ("r1", "r2")}
    confirmed, moved = sorted(labels.values(), key=lambda label: label.reason or "")
    assert confirmed.target_id.endswith(str(suggested.index))
    assert (moved.target_id[-1], moved.reason) == ("3", "he guesses")
    for label in labels.values():
        assert (label.annotator, label.source, label.name) == ("Rosa", "credit-hooks review", "first_error")
        assert label.timestamp > 0
        assert label.value["probability"] == suggested.probability


def test_a_label_leaves_the_credit_as_it_was_and_recomputable(stored, monkeypatch):
    run = failure("r1")
    stored(run)
    review(monkeypatch, "4\n")
    with RunStore("runs.db", read_only=True) as opened:
        found = opened.get("r1")
    assert found.credit == run.credit
    assert assign_credit(found.trajectory).model_dump_json() == run.credit.model_dump_json()


def test_what_was_labelled_is_kept_when_the_input_ends_and_the_rest_is_asked_next_time(stored, monkeypatch, capsys):
    stored(*(failure(f"r{n}", wrong=n % 4) for n in range(4)))
    assert review(monkeypatch, "\nk\n") == 0
    assert "1 labelled, 1 skipped, 3 left" in capsys.readouterr().out
    assert review(monkeypatch, "n nobody's\nq\n") == 0
    assert "1 labelled, 0 skipped, 2 left" in capsys.readouterr().out
    labels = [label_of(f"r{n}") for n in range(4)]
    assert sum(label is not None for label in labels) == 2
    assert sum(label is not None and label.target_id is None for label in labels) == 1
    assert review(monkeypatch, "\n\n") == 0
    capsys.readouterr()
    assert review(monkeypatch, "") == 0
    assert "nothing to review" in capsys.readouterr().out


def test_the_reviewer_sees_how_it_ended_and_what_was_expected(stored, monkeypatch, capsys):
    run = failure("r1")
    outcome = run.trajectory.outcome.model_copy(update={"answer": "999", "expected": "110"})
    stored(run.model_copy(update={"trajectory": run.trajectory.with_outcome(outcome)}))
    review(monkeypatch, "q\n")
    assert "outcome 0.00   answered: 999   expected: 110" in capsys.readouterr().out


def test_messages_can_be_read_in_full_and_typing_errors_ask_again(stored, monkeypatch, capsys):
    run = failure("r1", task="What is \x1b[31mred\x1b[0m?")
    long = run.trajectory.messages[2].model_copy(update={"parts": (TextPart(text="x" * 3000 + " \x1b[2Jthe end"),)})
    messages = (*run.trajectory.messages[:2], long, *run.trajectory.messages[3:])
    stored(run.model_copy(update={"trajectory": run.trajectory.model_copy(update={"messages": messages})}))
    assert review(monkeypatch, "s 2\nl\nt\n77\nx y\n-1\ns\n²\n#1\n") == 0
    said = capsys.readouterr().out
    assert "the end" in said
    assert "\x1b[2J" not in said
    assert "\x1b[31m" not in said
    assert "'77' is neither a message (0 to 4) nor a command" in said
    assert label_of("r1").target_id == "r1-1"


def test_the_unsurest_come_first_and_sure_ones_are_left_alone(stored, monkeypatch, capsys):
    stored(failure("short", wrong=1, size=2), failure("long", wrong=4, size=12), failure("won", score=1.0))
    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n"))
    assert run_cli(["review", "--below", "1.0"]) == 0
    said = capsys.readouterr().out
    assert said.index("run long") < said.index("2 left")
    assert "1 of 2" in said
    monkeypatch.setattr(sys, "stdin", io.StringIO("q\n"))
    assert run_cli(["review", "--below", "0.01"]) == 0
    assert "nothing to review" in capsys.readouterr().out


def test_a_run_written_again_keeps_its_label(stored, monkeypatch):
    stored(failure("r1"))
    review(monkeypatch, "\n")
    before = label_of("r1")
    stored(failure("r1"))
    assert label_of("r1") == before
    with RunStore("runs.db") as opened:
        opened.put(opened.get("r1"))
        assert opened.get("r1").trajectory.labels == (before,)
        assert [run.trajectory.labels for run in opened] == [(before,)]


def test_ids_and_reasons_that_are_no_proper_text_are_kept(stored):
    run = failure("r1")
    message = run.trajectory.messages[1].model_copy(update={"id": "m\udc80"})
    messages = (run.trajectory.messages[0], message, *run.trajectory.messages[2:])
    trajectory = run.trajectory.model_copy(update={"id": "r\udc80", "messages": messages})
    label = Label(target="message", target_id="m\udc80", name="first_error", reason="caf\udce9", annotator="\udc80")
    stored(run.model_copy(update={"trajectory": trajectory}))
    with RunStore("runs.db") as opened:
        opened.add_label("r\udc80", label)
        assert opened.get("r\udc80").trajectory.labels == (label,)


def test_what_is_typed_in_another_encoding_ends_nothing(stored):
    stored(failure("r1"), failure("r2"))
    command = [sys.executable, "-c", "import credit_hooks.cli as c; raise SystemExit(c.main())"]
    command += ["review", "--below", "1.01", "--as", "Rosa"]
    done = subprocess.run(
        command, input=b"\xff\xfe\n1 caf\xe9\nq\n", capture_output=True, env={**os.environ, "PYTHONUTF8": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert b"1 labelled" in done.stdout


def test_labels_need_their_run_and_must_not_be_evidence_for_credit(stored):
    stored(failure("r1"))
    with RunStore("runs.db") as opened:
        with pytest.raises(StoreError, match="no run 'zzz'"):
            opened.add_label("zzz", Label(target="message", name="first_error"))
        with pytest.raises(ConfigurationError, match="credit reads"):
            opened.add_label("r1", Label(target="message", name="step_score", value=0.5))


def test_a_real_terminal_and_nothing_but_its_keyboard(stored):
    stored(failure("r1"))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "import credit_hooks.cli as c; raise SystemExit(c.main())"]
    command += ["review", "--below", "1.01"]
    environment = {**os.environ, "COLUMNS": "100", "LOGNAME": "rosa", "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"first error [" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, b"1 wrong\n")
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # how Linux says that the other end of a terminal is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    assert b"moved: #1 Ben" in shown or b"confirmed: #1 Ben" in shown
    assert (label_of("r1").target_id, label_of("r1").annotator) == ("r1-1", "rosa")


# --- localise -------------------------------------------------------------------------------------------------------


def test_labels_of_a_review_feed_the_localiser(stored, monkeypatch, tmp_path, capsys):
    stored(*(failure(f"r{n}", wrong=1 + n % 4, size=6) for n in range(8)))
    with RunStore("runs.db", read_only=True) as opened:
        wrong = {run.trajectory.id: 1 + int(run.trajectory.id[1:]) % 4 for run in opened}
    from credit_hooks.cli.reviewing import queue

    with RunStore("runs.db", read_only=True) as opened:
        order = [waiting.run_id for waiting in queue(opened, below=1.01, on_error=print)]
    assert review(monkeypatch, "".join(f"{wrong[run_id]}\n" for run_id in order)) == 0
    assert run_cli(["localise", "fit", "-o", "mine.json"]) == 0
    said = capsys.readouterr().out
    for words in ("fitted on 8 labelled failures", "uniform random message", "constant place", "does not transfer"):
        assert words in said
    fitted = Localiser.from_json((tmp_path / "mine.json").read_text())
    assert fitted.runs == 8
    assert run_cli(["localise", "show", "mine.json"]) == 0
    assert "hedges/1" in capsys.readouterr().out
    texts = ["I looked it up: 110 of them.", "Let's assume it is probably 999, a placeholder.", "So 999 it is."]
    history = [{"name": "ab"[n % 2], "role": "assistant", "content": text} for n, text in enumerate(texts)]
    log = {"question": "How many now?", "ground_truth": "110", "history": history, "is_correct": False}
    (tmp_path / "log.json").write_text(json.dumps(log | {"mistake_agent": "b", "mistake_step": "1"}))
    assert run_cli(["score", "log.json", "--store", "new.db", "--localiser", "mine.json"]) == 0
    assert "says nothing" in capsys.readouterr().out
    with RunStore("new.db", read_only=True) as opened:
        (run,) = opened
    assert run.credit.first_error.evidence == ("localiser",)


def test_too_few_labels_and_files_that_are_no_localiser_say_what_to_do(stored, tmp_path, capsys):
    stored(failure("r1"))
    assert run_cli(["localise", "fit"]) == 2
    assert "credit-hooks review" in capsys.readouterr().err
    assert not (tmp_path / "localiser.json").exists()
    (tmp_path / "x.json").write_text(json.dumps({"a": 1}))
    assert run_cli(["localise", "show", "x.json"]) == 2
    assert "x.json: this is no localiser" in capsys.readouterr().err
    assert run_cli(["score", "logs", "--localiser", "missing.json"]) == 2
    assert "missing.json" in capsys.readouterr().err


def test_a_damaged_run_is_named_and_the_others_are_reviewed(stored, monkeypatch, capsys):
    import sqlite3

    stored(failure("r1"), failure("r2"))
    with sqlite3.connect("runs.db") as connection:
        connection.execute("UPDATE runs SET trajectory = x'00' WHERE id = 'r1'")
    connection.close()
    assert review(monkeypatch, "\n") == 0
    said = capsys.readouterr()
    assert "run r1" in said.err
    assert label_of("r2") is not None
