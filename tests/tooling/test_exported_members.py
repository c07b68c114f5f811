from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("credit_hooks", "adapters/credit_hooks_adapters", "exporters/credit_hooks_exporters")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def exported(tree):
    """The literal list assigned to `__all__`; None where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return None


def order(name):
    """Constants, then classes, then the rest: as ruff's RUF022 sorts."""
    return (not name.isupper(), not name[:1].isupper(), name)


def bound(tree):
    """Names that the top level of a module binds, also inside `if` and `try`."""
    names = set()
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        todo.extend(ast.iter_child_nodes(node))
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_exported_members_are_sorted_unique_and_defined(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = exported(tree)
    if names is None:
        return
    assert list(names) == sorted(set(names), key=order)
    if "__getattr__" not in bound(tree):
        assert set(names) <= bound(tree)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_with_public_definitions_say_what_they_export(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    public = {node.name for node in defined if not node.name.startswith("_")}
    assert public == set() or exported(tree) is not None, f"{sorted(public)} without __all__"
