"""What a command writes never takes the place of a run store or of another database."""

import shutil

import pytest

from credit_hooks.cli.app import run as run_cli
from credit_hooks.store import RunStore


@pytest.fixture
def folder(tmp_path, make_run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with RunStore("runs.db") as store:
        store.put(make_run("a"))
    shutil.copy("runs.db", "other.sqlite")
    (tmp_path / "link.html").symlink_to("runs.db")
    return tmp_path


@pytest.mark.parametrize(
    "command", [["report"], ["report", "--all"], ["localise", "fit"], ["export"], ["export", "-f", "messages"]]
)
@pytest.mark.parametrize(
    ("output", "said"),
    [("runs.db", "the run store itself"), ("link.html", "the run store"), ("other.sqlite", "a SQLite database")],
)
def test_a_database_is_not_written_over(command, output, said, folder, capsys):
    before = (folder / output).read_bytes()
    assert run_cli([*command, "-o", output]) == 2
    assert said in capsys.readouterr().err
    assert (folder / output).read_bytes() == before
    assert run_cli(["list"]) == 0


def test_an_earlier_page_is_replaced(folder):
    for _ in range(2):
        assert run_cli(["report", "-o", "page.html"]) == 0
    assert (folder / "page.html").read_text().startswith("<!")
