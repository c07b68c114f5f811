"""The Grafana dashboard asks only for what Prometheus is really given, in panels that Grafana's own models accept."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("grafana_foundation_sdk", reason="pip install --group test")
pytest.importorskip("promql_parser", reason="pip install --group test")
pytest.importorskip("prometheus_client", reason="pip install --group test")

import promql_parser
from grafana_foundation_sdk.models.dashboard import Dashboard, DataSourceRef, Panel, RowPanel
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from team import TEAM, VAGUE, invoke, right

from credit_hooks.langgraph import CreditCallback
from credit_hooks.metrics import RunMetrics

FILE = Path(__file__).parents[2] / "docs" / "grafana" / "credit-hooks.json"
DASHBOARD = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
VARIABLES = {"$__rate_interval": "5m", "$__range": "6h", "$framework": ".*", "$agent": ".*"}


def parsed(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return promql_parser.parse(query)


def selectors(node):
    """Every series selector of a query."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for inside in ("lhs", "rhs", "expr", "vector_selector"):
        if hasattr(node, inside):
            yield from selectors(getattr(node, inside))
    for argument in getattr(node, "args", ()):
        yield from selectors(argument)


def grouped_by(node):
    """Every label that a query groups by."""
    modifier = getattr(node, "modifier", None)
    yield from getattr(modifier, "labels", None) or ()
    for inside in ("lhs", "rhs", "expr"):
        if hasattr(node, inside):
            yield from grouped_by(getattr(node, inside))
    for argument in getattr(node, "args", ()):
        yield from grouped_by(argument)


def fails(run):
    raise ValueError


@pytest.fixture(scope="module")
def exposed():
    """Samples that the real exporter exposes after runs that touch every instrument: name -> label -> values."""
    registry = CollectorRegistry()
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    spans = TracerProvider()
    for options in (
        {"evaluate": right, "tracer_provider": spans},
        {},
        {"evaluate": fails},
        {"max_active_runs": 0},
        {"max_held_spans": 0, "tracer_provider": spans},
    ):
        callback = CreditCallback(**options, meter_provider=provider)
        for team in (TEAM, VAGUE):
            invoke(callback, "wrong", team)
        assert callback.flush()
        if callback.last is not None:
            callback.score(callback.last.trajectory.id, True)
        callback._session._release_overdue()  # what a worker does once a second
        assert callback.flush()
    samples = {}
    for metric in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in metric.samples:
            labels = samples.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return samples


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_every_query_selects_series_and_labels_that_are_exposed(title, query, exposed):
    tree = parsed(query)
    chosen = list(selectors(tree))
    assert chosen
    for selector in chosen:
        assert selector.name in exposed
        labels = exposed[selector.name]
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels
            if matcher.op == promql_parser.MatchOp.Equal:
                assert matcher.value in labels[matcher.name]
    labels = set().union(*(exposed[selector.name] for selector in chosen))
    assert set(grouped_by(tree)) <= labels


def test_every_metric_is_on_the_dashboard(exposed):
    ours = {re.sub("_(bucket|sum|count|total)$", "", name) for name in exposed if name.startswith("credit_hooks_")}
    asked = {re.sub("_(bucket|sum|count|total)$", "", s.name) for _, query in QUERIES for s in selectors(parsed(query))}
    assert asked == ours


def test_variables_ask_for_labels_that_are_exposed(exposed):
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            assert label in exposed[metric]


def test_grafanas_own_models_read_the_dashboard():
    read = Dashboard.from_json(DASHBOARD)
    assert read.title == "credit-hooks"
    assert [type(panel) for panel in read.panels] == [
        RowPanel if panel["type"] == "row" else Panel for panel in DASHBOARD["panels"]
    ]
    assert all(isinstance(panel.datasource, DataSourceRef) for panel in read.panels if isinstance(panel, Panel))


def test_panels_have_ids_of_their_own_and_overlap_nowhere():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD["panels"]:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        assert x + w <= 24
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert not cells & taken
        taken |= cells


def test_every_panel_says_what_it_shows():
    assert all(panel["description"].endswith(".") and panel["title"] for panel in PANELS)


class Names:
    """A meter that notes which instruments are made."""

    def __init__(self):
        self.made = set()

    def get_meter(self, *args):
        return self

    def __getattr__(self, method):
        return lambda name, *args, **kwargs: self.made.add(name) if method.startswith("create_") else None


def test_the_guide_names_every_metric():
    meter = Names()
    RunMetrics(meter, "langgraph", Counter(), dict)
    guide = (FILE.parents[1] / "metrics.md").read_text(encoding="utf-8")
    assert len(meter.made) == 14
    assert {name for name in meter.made if f"`{name}`" not in guide} == set()
