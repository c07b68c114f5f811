from __future__ import annotations

import subprocess
import sys

import pytest

FOREIGN = {
    "autogen", "autogen_agentchat", "autogen_core", "credit_hooks_adapters", "credit_hooks_exporters", "jinja2",
    "langchain", "langchain_core", "langgraph", "langsmith", "rich", "typer",
}  # fmt: skip

LIST_MODULES = "import sys; import credit_hooks; print(*{name.partition('.')[0] for name in sys.modules})"


def loaded_by(code):
    # -I: nothing from this process's environment or folder makes the import heavier or lighter than a user's
    return set(
        subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )


def test_the_core_loads_no_framework_and_nothing_optional():
    loaded = loaded_by(LIST_MODULES)
    assert "credit_hooks" in loaded
    assert loaded & FOREIGN == set()


def test_the_test_above_would_notice():
    loaded = loaded_by(LIST_MODULES.replace("import credit_hooks;", "import credit_hooks, rich, langchain_core;"))
    assert loaded & FOREIGN >= {"rich", "langchain_core"}


@pytest.mark.parametrize(
    ("module", "needs", "extra"),
    [("credit_hooks.langgraph", "langgraph", "langgraph"), ("credit_hooks.demo", "langchain", "demo")],
)
def test_a_room_without_its_extra_names_the_line_to_type(module, needs, extra):
    code = f"import sys; sys.modules[{needs!r}] = None; import {module}"
    result = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert "MissingExtraError: " in result.stderr
    assert f"pip install 'credit-hooks[{extra}]'" in result.stderr
