"""Rendered by the chat templates that TRL ships, a row loses nothing of what was said, in some view."""

import json
from pathlib import Path

import pytest
from coding_team import runs

from credit_hooks import registry

VIEWS = {
    "default": {},
    "tool_turns=text": {"tool_turns": "text"},
    "strict_alternation": {"strict_alternation": True},
    "fold_system": {"fold_system": True, "tool_turns": "text"},
    "fold_system, strict_alternation": {"fold_system": True, "strict_alternation": True},
}


def said(turn):
    """Everything of a turn that has to be in the rendered text."""
    calls = [call["function"] for call in turn.get("tool_calls", ())]
    values = [value for call in calls for value in call["arguments"].values() if isinstance(value, str)]
    return [*turn["content"].split("\n\n"), *(call["name"] for call in calls), *values]


def loses(tokenizer, row):
    """What the template does to a row. None: nothing is lost."""
    import jinja2

    turns = [*row["prompt"], *row["completion"]]
    try:
        text = tokenizer.apply_chat_template(turns, tools=row["tools"] or None, tokenize=False)
    except (jinja2.TemplateError, TypeError, AttributeError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"[:80]
    lost = [piece for turn in turns for piece in said(turn) if piece.strip() not in text]
    return f"lost {lost[0][:40]!r}" if lost else None


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    found = {}
    for name, options in VIEWS.items():
        registry.exporter("trl-grpo").write(runs(), folder / "rows.jsonl", **options)
        found[name] = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()][:18]
    return found


def templates():
    import trl

    folder = Path(trl.__file__).parent / "chat_templates"
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja")) if "_training" not in path.stem}


def test_most_templates_render_everything_in_some_view(views, tokenizer):
    from copy import deepcopy

    best, failures = {}, {}
    for name, template in templates().items():
        own = deepcopy(tokenizer)
        own.chat_template = template
        own.bos_token = "<|im_start|>"
        reasons = {
            view: next((reason for row in rows if (reason := loses(own, row))), None) for view, rows in views.items()
        }
        fitting = [view for view, reason in reasons.items() if reason is None]
        if fitting:
            best[name] = fitting[0]
        else:
            failures[name] = reasons
    for name, view in best.items():
        print(f"{name}: {view}")
    for name, reasons in failures.items():
        print(f"{name}: FAILS {reasons}")
    print(f"{len(best)} of {len(best) + len(failures)}")
    assert len(best) >= 36
