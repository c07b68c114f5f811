"""Adapters and exporters are found by entry point, and a broken one says whose it is."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from credit_hooks import registry
from credit_hooks.errors import ConfigurationError, UnknownDialectError
from credit_hooks.ports import Adapter, Exporter, LogAdapter


def register(monkeypatch, *points):
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])


def test_our_own_parts_are_registered():
    assert {"credit_hooks", "whowhen"} <= registry.adapters().keys()
    assert "messages" in registry.exporters()
    assert isinstance(registry.adapter("credit_hooks"), Adapter)
    assert isinstance(registry.adapter("whowhen"), LogAdapter)
    assert isinstance(registry.exporter("messages"), Exporter)


def test_every_part_is_registered_under_its_own_name():
    for name, part in {**registry.adapters(), **registry.exporters()}.items():
        assert part.name == name


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownDialectError, match=r"no dialect 'klingon'; known dialects: .*credit_hooks.*whowhen"):
        registry.adapter("klingon")
    with pytest.raises(ConfigurationError, match=r"no export format 'stone'; known formats: .*messages"):
        registry.exporter("stone")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module_of_ours:ADAPTER", "cannot be loaded: No module named"),
        ("credit_hooks.native:NO_SUCH_NAME", "cannot be loaded: module"),
        ("credit_hooks.errors:TrajectoryError", "is no credit_hooks.ports.Adapter or LogAdapter"),
    ],
)
def test_a_broken_adapter_is_named_when_asked_for_and_left_out_of_all(monkeypatch, value, reason):
    good = EntryPoint("credit_hooks", "credit_hooks.native:ADAPTER", registry.ADAPTERS)
    register(monkeypatch, good, EntryPoint("broken", value, registry.ADAPTERS))
    with pytest.raises(ConfigurationError, match=f"broken = '{value}' in credit_hooks.adapters {reason}"):
        registry.adapter("broken")
    with pytest.warns(RuntimeWarning, match="left out: broken"):
        assert list(registry.adapters()) == ["credit_hooks"]


def test_a_broken_exporter_is_named(monkeypatch):
    register(monkeypatch, EntryPoint("broken", "credit_hooks.native:ADAPTER", registry.EXPORTERS))
    with pytest.raises(ConfigurationError, match=r"is no credit_hooks\.ports\.Exporter"):
        registry.exporter("broken")


def test_importing_the_registry_loads_no_adapter_and_no_exporter():
    code = (
        "import sys, credit_hooks.registry; "
        "rooms = ('credit_hooks_adapters', 'credit_hooks_exporters'); "
        "assert not [name for name in sys.modules if name.startswith(rooms)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
