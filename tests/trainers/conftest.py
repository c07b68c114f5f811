"""These tests need TRL, in an environment of its own: `make trainers`. Everywhere else they are skipped."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

for name, value in {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
    os.environ.setdefault(name, value)
sys.path.insert(0, str(Path(__file__).parent))  # `import tiny`: tests are no package

MISSING = [name for name in ("torch", "trl", "datasets", "pyarrow") if importlib.util.find_spec(name) is None]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # other people's, in the trainers
            if MISSING:
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(MISSING)}: make trainers"))


@pytest.fixture(scope="session")
def quiet():
    import datasets
    import torch
    import transformers

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The folder with every TRL format of the coding team's runs, as JSON lines and as Parquet."""
    from coding_team import runs

    from credit_hooks import registry

    folder = tmp_path_factory.mktemp("exported")
    for name in ("trl-sft", "trl-dpo", "trl-kto", "trl-grpo", "trl-grpo-turns", "trl-prm"):
        for suffix in ("jsonl", "parquet"):
            registry.exporter(name).write(runs(), folder / f"{name}.{suffix}")
    for suffix in ("jsonl", "parquet"):
        registry.exporter("trl-dpo").write(runs(), folder / f"trl-dpo-text.{suffix}", tool_turns="text")
    return folder


@pytest.fixture(scope="session")
def load(tmp_path_factory, quiet):
    from datasets import load_dataset

    def loaded(path):
        builder = {".jsonl": "json", ".parquet": "parquet"}[path.suffix]
        return load_dataset(
            builder, data_files=str(path), split="train", cache_dir=str(tmp_path_factory.mktemp("cache"))
        )

    return loaded


@pytest.fixture(scope="session")
def tokenizer(files):
    from tiny import tokenizer_of

    return tokenizer_of((files / "trl-grpo.jsonl").read_text().splitlines())
