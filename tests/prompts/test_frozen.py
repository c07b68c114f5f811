"""Prompts as plain files: read back to the byte, and nobody's edit is lost."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credit_hooks.errors import ConfigurationError
from credit_hooks.prompts import PromptBlock, PromptSet
from credit_hooks.prompts.frozen import MANIFEST, freeze, thaw

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
BLOCKS = st.lists(
    st.builds(
        PromptBlock,
        role=st.text(st.sampled_from("aA/\\.: _é-"), min_size=1, max_size=4)
        | st.sampled_from(["con", "manifest", "..", "x" * 300]),
        text=TEXT,
        kind=st.sampled_from(["role", "aggregation"]),
        agents=st.lists(TEXT, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda block: block.role,
)


def prompts(**texts):
    return PromptSet([PromptBlock(role=role, text=text) for role, text in texts.items()])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BLOCKS)
def test_what_was_frozen_is_read_back_to_the_byte(tmp_path_factory, blocks):
    folder = tmp_path_factory.mktemp("frozen")
    frozen = PromptSet(blocks)
    freeze(frozen, folder, source="here")
    assert thaw(folder) == frozen
    assert thaw(folder).version == frozen.version
    files = list(folder.iterdir())
    assert len(files) == len({file.name.casefold() for file in files}) == len(blocks) + 1
    assert {file.parent for file in files} == {folder}


def test_files_hold_the_text_and_nothing_else(tmp_path):
    freeze(prompts(solver="Answer.\r\nBriefly.  "), tmp_path / "new" / "prompts")
    assert (tmp_path / "new" / "prompts" / "solver.txt").read_bytes() == b"Answer.\r\nBriefly.  "


def test_a_new_version_takes_the_place_of_the_old_one_and_files_of_others_stay(tmp_path):
    freeze(prompts(solver="a", checker="b"), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    freeze(prompts(solver="c"), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [MANIFEST, "notes.txt", "solver.txt"]


def test_an_edit_by_hand_is_noticed_and_not_overwritten(tmp_path):
    freeze(prompts(solver="a"), tmp_path)
    (tmp_path / "solver.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="edited"):
        thaw(tmp_path)
    assert dict(thaw(tmp_path, edited=True)) == {"solver": "mine"}
    with pytest.raises(ConfigurationError, match="edited since"):
        freeze(prompts(solver="b"), tmp_path)
    assert (tmp_path / "solver.txt").read_text() == "mine"
    freeze(prompts(solver="b"), tmp_path, overwrite=True)
    assert dict(thaw(tmp_path)) == {"solver": "b"}


def test_a_file_that_was_there_before_is_not_overwritten(tmp_path):
    (tmp_path / "solver.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="was there before"):
        freeze(prompts(solver="b"), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["solver.txt"]


def test_folders_that_hold_no_prompts_say_so(tmp_path):
    with pytest.raises(ConfigurationError, match="no frozen prompts"):
        thaw(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        thaw(tmp_path)
    with pytest.raises(ConfigurationError, match="choose another folder"):
        freeze(prompts(solver="b"), tmp_path)


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "prompts"
    freeze(prompts(solver="a"), folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["blocks"][0]["file"] = "../secret.txt"
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ConfigurationError, match="no file of its folder"):
        thaw(folder, edited=True)


@pytest.mark.parametrize("damage", ["missing", "no text"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, damage):
    freeze(prompts(solver="a"), tmp_path)
    if damage == "missing":
        (tmp_path / "solver.txt").unlink()
    else:
        (tmp_path / "solver.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"solver\.txt"):
        thaw(tmp_path)


def test_half_a_surrogate_pair_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigurationError, match="surrogate"):
        freeze(prompts(solver="a", checker="\ud800"), tmp_path)
    assert list(tmp_path.iterdir()) == []
