import pytest

from credit_hooks.store import LazyStore, RunStore


def test_a_run_that_cannot_be_written_is_not_in_the_way_of_others(tmp_path, monkeypatch, make_run):
    refused, kept = make_run("refused"), make_run("kept")
    put = RunStore.put

    def choosy(self, run):
        if run.trajectory.id == "refused":
            raise ValueError("not this one")
        put(self, run)

    monkeypatch.setattr(RunStore, "put", choosy)
    lazy = LazyStore(tmp_path / "runs.db")
    with pytest.raises(ValueError, match="not this one"):
        lazy.export(refused)
    lazy.export(kept)
    with RunStore(tmp_path / "runs.db") as store:
        assert [summary.id for summary in store.list()] == ["kept"]
