"""Rewards at real servers of Phoenix and MLflow: there, signed, filterable, stable; and seen in a real browser.

    make backends

SCREENSHOTS=<folder> keeps pictures of the pages.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import httpx
import pytest

from credit_hooks.store import RunStore
from credit_hooks_exporters.annotators import MLflowAnnotator, PhoenixAnnotator, annotations_of

pytest.importorskip("langchain", reason="the demo's team needs pip install 'credit-hooks[demo]'")


def _sibling(name):
    spec = importlib.util.spec_from_file_location(f"annotators_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


servers, browsing = _sibling("servers"), _sibling("browsing")
ROOT = Path(__file__).parents[2]
PROBLEMS = 4
has_browser = bool(browsing.BROWSER and browsing.DRIVER and importlib.util.find_spec("selenium"))

pytestmark = [pytest.mark.backend, pytest.mark.filterwarnings("ignore::ResourceWarning")]
needs_browser = pytest.mark.skipif(not has_browser, reason="chromium, chromedriver or selenium is not installed")


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / name / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Scene:
    """A server, and the runs that the example sent to it."""

    def __init__(self, name, folder):
        self.server = servers.Server(name, folder).start()
        try:
            self.page = example(name).main(self.server.url, PROBLEMS, str(folder / "runs.db"))
            with RunStore(folder / "runs.db", read_only=True) as opened:
                self.runs = list(opened)
        except BaseException:
            self.server.stop()
            raise

    def expected(self, name=lambda name: name):
        return {
            (annotation.span_id, name(annotation.name)): pytest.approx(annotation.score, abs=1e-9)
            for run in self.runs
            for annotation in annotations_of(run)
        }

    def rewards(self):
        """(reward, span id) of all messages' spans, worst first."""
        told = [each for run in self.runs for each in annotations_of(run) if each.name == "credit.reward"]
        return sorted((each.score, each.span_id) for each in told)


def scene(name, tmp_path_factory):
    if servers.program(name) is None:
        pytest.skip(f"no server of {name} is named in CREDIT_HOOKS_{name.upper()}: make backends")
    return Scene(name, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    made = scene("phoenix", tmp_path_factory)
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    made = scene("mlflow", tmp_path_factory)
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    started = browsing.start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


def keep_picture(driver, name):
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def send_all(annotator, runs, restarting=None):
    """Send the runs; with a server, stop it after the first and start it when the others wait."""
    first, *others = runs
    annotator.export(first)
    assert annotator.flush(60)
    if restarting is not None:
        restarting.stop()
    for run in others:
        annotator.export(run)
    if restarting is not None:
        restarting.start()
    assert annotator.flush(180)
    assert not annotator.failures


# --- Phoenix ---


def in_phoenix(phoenix):
    """What Phoenix holds, by span and name; every annotation once."""
    project = example("phoenix").PROJECT
    params = [("span_ids", span_id) for span_id in {span_id for span_id, _ in phoenix.expected()}] + [("limit", "1000")]
    answer = httpx.get(f"{phoenix.server.url}/v1/projects/{project}/span_annotations", params=params, timeout=30)
    data = answer.raise_for_status().json()["data"]
    found = {(each["span_id"], each["name"]): each["result"]["score"] for each in data}
    assert len(found) == len(data)
    return found


def underscored(name):
    return name.replace(".", "_")


def test_phoenix_holds_every_reward_signed(phoenix):
    assert in_phoenix(phoenix) == phoenix.expected(underscored)
    assert {score < 0 for score, _ in phoenix.rewards()} == {True, False}


def test_phoenix_lists_the_worst_messages_first_by_the_documented_filter(phoenix):
    query = """query($id: ID!, $filter: String) { node(id: $id) { ... on Project {
      spans(first: 99, filterCondition: $filter,
            sort: {evalResultKey: {name: "credit_reward", attr: score}, dir: asc}) {
        edges { node { spanId } } } } } }"""
    project = httpx.get(f"{phoenix.server.url}/v1/projects/{example('phoenix').PROJECT}").json()["data"]["id"]
    asked = {"query": query, "variables": {"id": project, "filter": example("phoenix").WORST}}
    edges = httpx.post(f"{phoenix.server.url}/graphql", json=asked, timeout=30).json()["data"]["node"]["spans"]["edges"]
    reward = {span_id: score for score, span_id in phoenix.rewards()}
    listed = [reward[edge["node"]["spanId"]] for edge in edges]
    assert listed == [score for score, _ in phoenix.rewards() if score < 0]
    assert len(listed) > 3


def test_phoenix_keeps_rewards_when_sent_twice_and_over_a_restart_and_takes_new_ones(phoenix, rescore):
    before = in_phoenix(phoenix)
    send_all(PhoenixAnnotator(phoenix.server.url), phoenix.runs)
    assert in_phoenix(phoenix) == before
    halved = [rescore(run, 0.5) for run in phoenix.runs]
    send_all(PhoenixAnnotator(phoenix.server.url, patience=170), halved, restarting=phoenix.server)
    after = in_phoenix(phoenix)
    assert after.keys() == before.keys()
    for (span_id, name), score in after.items():
        half = 0.5 if name in ("credit_reward", "credit_agent") else 1.0
        assert score == pytest.approx(before[span_id, name] * half, abs=1e-9)
    send_all(PhoenixAnnotator(phoenix.server.url), phoenix.runs)
    assert in_phoenix(phoenix) == before


def rewards_shown(driver, selector="body"):
    """The numbers of all chips `credit_reward`, as Phoenix rounds them, in the page's order."""
    chips = re.findall(r"credit_reward\s*μ\s*([\d.e+\u2212-]+)", browsing.text(driver, selector))
    return [float(chip.replace("\N{MINUS SIGN}", "-")) for chip in chips]


def nearly(scores):
    return pytest.approx(sorted(scores), abs=0.0101)  # Phoenix cuts after two decimals


@needs_browser
def test_phoenix_shows_each_reward_beside_its_span(phoenix, driver):
    run = min(phoenix.runs, key=lambda run: run.credit.total)
    driver.get(f"{phoenix.server.url}/redirects/traces/{run.trajectory.steps[0].trace_id}")
    told = [each.score for each in annotations_of(run) if each.name == "credit.reward"]
    browsing.wait(driver, lambda: sorted(rewards_shown(driver)) == nearly(told), "a chip for each rewarded span")
    browsing.wait(driver, lambda: "Attributes" in browsing.text(driver), "the root span beside the tree")
    keep_picture(driver, "phoenix-trace")


@needs_browser
def test_phoenix_page_puts_the_worst_message_on_top(phoenix, driver):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def named(selector, text):
        return [each for each in driver.find_elements(By.CSS_SELECTOR, selector) if each.text.startswith(text)]

    driver.get(phoenix.page)
    browsing.wait(driver, lambda: rewards_shown(driver, "tbody"), "rows of blamed messages")
    browsing.wait(driver, lambda: named("button", "Columns"), "the button Columns")[0].click()
    label = browsing.wait(driver, lambda: named("label", "credit_reward"), "the column credit_reward")[0]
    driver.execute_script("arguments[0].scrollIntoView()", label)
    label.click()
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    heading = browsing.wait(driver, lambda: named("th .sort div", "credit_reward"), "the heading")[0]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", heading)
    worst = [score for score, _ in phoenix.rewards() if score < 0]

    def worst_first():
        listed = rewards_shown(driver, "tbody")
        return len(listed) > 3 and listed == pytest.approx(worst[: len(listed)], abs=0.0101)

    def sorted_up():
        named("th .sort div", "credit_reward")[0].click()  # down, then up, then not at all
        return browsing.settled(driver, worst_first)

    assert browsing.wait(driver, sorted_up, f"{worst[:5]} on top")
    driver.set_window_size(2560, 1100)
    driver.execute_script("for (const each of document.querySelectorAll('*')) each.scrollLeft = 0")
    browsing.wait(driver, worst_first, "the same in a wider window")
    keep_picture(driver, "phoenix-worst")


# --- MLflow ---


def in_mlflow(mlflow):
    """What MLflow holds, by span and name; every piece of feedback once."""
    data = []
    for run in mlflow.runs:
        trace = f"tr-{run.trajectory.steps[0].trace_id}"
        answer = httpx.get(f"{mlflow.server.url}/api/3.0/mlflow/traces/{trace}", timeout=30).raise_for_status().json()
        data += answer["trace"]["trace_info"]["assessments"]
    found = {(each["span_id"], each["assessment_name"]): each["feedback"]["value"] for each in data}
    assert len(found) == len(data)
    return found


def test_mlflow_holds_every_reward_signed(mlflow):
    assert in_mlflow(mlflow) == mlflow.expected()


def test_mlflow_finds_runs_with_blamed_messages_by_the_documented_filter(mlflow):
    def found(condition):
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": example_id}}
        asked = {"locations": [location], "max_results": 100, "filter": condition}
        answer = httpx.post(f"{mlflow.server.url}/api/3.0/mlflow/traces/search", json=asked, timeout=30)
        return {each["trace_id"] for each in answer.raise_for_status().json().get("traces", ())}

    example_id = example("mlflow").experiment(mlflow.server.url)
    blamed = {
        f"tr-{each.trace_id}"
        for run in mlflow.runs
        for each in annotations_of(run)
        if each.name == "credit.reward" and each.score < -0.05
    }
    assert found("feedback.`credit.reward` < -0.05") == blamed
    failed = {f"tr-{run.trajectory.steps[0].trace_id}" for run in mlflow.runs if run.credit.outcome == 0.0}
    assert found("feedback.`credit.outcome` < 0.5") == failed
    assert 0 < len(failed) < len(mlflow.runs)


def test_mlflow_keeps_rewards_when_sent_twice_and_over_a_restart_and_takes_new_ones(mlflow, rescore):
    before = in_mlflow(mlflow)
    send_all(MLflowAnnotator(mlflow.server.url), mlflow.runs)
    assert in_mlflow(mlflow) == before
    halved = [rescore(run, 0.5) for run in mlflow.runs]
    send_all(MLflowAnnotator(mlflow.server.url, patience=170), halved, restarting=mlflow.server)
    after = in_mlflow(mlflow)
    assert after.keys() == before.keys()
    for (span_id, name), value in after.items():
        half = 0.5 if name in ("credit.reward", "credit.agent") else 1.0
        assert value == pytest.approx(before[span_id, name] * half, abs=1e-9)
    send_all(MLflowAnnotator(mlflow.server.url), mlflow.runs)
    assert in_mlflow(mlflow) == before


@needs_browser
def test_mlflow_shows_the_reward_of_a_span_in_its_assessments(mlflow, driver):
    from selenium.webdriver.common.by import By

    run = min(mlflow.runs, key=lambda run: run.credit.total)
    driver.get(f"{mlflow.page}?selectedEvaluationId=tr-{run.trajectory.steps[0].trace_id}")

    def tree():
        nodes = driver.find_elements(By.XPATH, "//*[normalize-space(text())='invoke_agent hasty']")
        return nodes[:1]

    browsing.wait(driver, tree, "the spans of the trace")
    for close in driver.find_elements(By.XPATH, "//button[normalize-space()='Got it']"):
        driver.execute_script("arguments[0].click()", close)
    told = {each.span_id: each for each in annotations_of(run) if each.name in ("credit.reward", "credit.agent")}
    outer = next(step for step in run.trajectory.steps if step.name == "invoke_agent hasty" and step.id in told)
    driver.execute_script("arguments[0].click()", tree()[0])
    assess = browsing.wait(
        driver, lambda: driver.find_elements(By.XPATH, "//button[contains(., 'Assess')]"), "the button Assess"
    )[0]
    driver.execute_script("arguments[0].click()", assess)
    annotation = told[outer.id]

    def pane():
        text = browsing.text(driver)
        return text if annotation.name in text and str(annotation.score)[:6] in text else None

    assert browsing.wait(driver, pane, f"{annotation.name} {annotation.score}")
    keep_picture(driver, "mlflow-trace")
