"""The page of all runs in a real browser: filters, keys, a phone, both colour schemes, nothing blocked or broken."""

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("selenium", reason="selenium is not installed: pip install --group browser")

from many_runs import history
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from credit_hooks.report import render_all
from credit_hooks.store import RunStore

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory, make_run):
    folder = tmp_path_factory.mktemp("all")
    with RunStore(folder / "runs.db") as store:
        for run in history(make_run, 200):
            store.put(run)
        (folder / "all.html").write_text(render_all(store), encoding="utf-8")
    return folder / "all.html"


@pytest.fixture
def open_at(driver, file):
    def open_page(width=1280, height=900, scheme="light", path=file):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.get(path.as_uri())
        return driver

    yield open_page
    assert [entry["message"] for entry in driver.get_log("browser")] == []  # no error, nothing blocked
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def shown(page, kind):
    return [item for item in page.find_elements(By.CSS_SELECTOR, f"#{kind} > li") if item.is_displayed()]


def count(page):
    return page.find_element(By.ID, "count").text


def press(page, *keys):
    ActionChains(page).send_keys(*keys).perform()


def focused(page):
    return page.switch_to.active_element


def click(page, selector):
    page.find_element(By.CSS_SELECTOR, selector).click()


def test_a_click_opens_a_run_and_a_message(open_at):
    page = open_at()
    run = shown(page, "runs")[0]
    assert "credit-hooks report" not in run.text
    run.find_element(By.TAG_NAME, "summary").click()
    assert "credit-hooks report run-" in run.text
    assert len(run.find_elements(By.CSS_SELECTOR, ".credits tr")) == 5
    message = shown(page, "messages")[0]
    message.find_element(By.TAG_NAME, "summary").click()
    assert "Message #" in message.text


def test_filters_by_agent_outcome_and_text_hold_together(open_at):
    page = open_at()
    whole = count(page)
    Select(page.find_element(By.ID, "agent-filter")).select_by_visible_text("solver")
    assert {item.find_element(By.CSS_SELECTOR, ".who").text for item in shown(page, "messages")} == {"solver"}
    Select(page.find_element(By.ID, "verdict-filter")).select_by_visible_text("failed")
    assert shown(page, "runs")
    assert all("failed" in item.text for item in shown(page, "runs"))
    page.find_element(By.ID, "text-filter").send_keys("look up roughly")
    assert shown(page, "messages")
    assert all("Roughly 12 percent, I did not look it up." in item.text for item in shown(page, "messages"))
    page.find_element(By.ID, "text-filter").send_keys(" no such words")
    assert shown(page, "runs") == shown(page, "messages") == []
    assert page.find_element(By.CSS_SELECTOR, "[data-empty=runs]").text == "No run matches."
    click(page, "#clear")
    assert count(page) == whole


def test_an_agents_name_filters_and_says_so(open_at):
    page = open_at()
    whole = count(page)
    (name,) = [button for button in page.find_elements(By.CSS_SELECTOR, ".agent") if button.text == "critic"]
    name.click()
    assert name.get_attribute("aria-pressed") == "true"
    assert {item.find_element(By.CSS_SELECTOR, ".who").text for item in shown(page, "messages")} == {"critic"}
    name.click()
    assert name.get_attribute("aria-pressed") == "false"
    assert count(page) == whole


def test_reasons_choose_runs_and_the_card_leads_to_them(open_at):
    page = open_at()
    for reason, said in (("low_evidence", "low evidence"), ("error", "error"), ("uncredited", "not credited")):
        click(page, f"[data-reason={reason}]")
        assert shown(page, "runs")
        assert all(said in item.text for item in shown(page, "runs"))
    number = int(page.find_element(By.CSS_SELECTOR, "[data-look=error] b").text)
    click(page, "[data-look=error]")
    assert len(shown(page, "runs")) == number
    assert focused(page).get_attribute("id") == "runs-title"
    assert 0 <= focused(page).rect["y"] - page.execute_script("return scrollY") < 900


def test_agents_are_sorted_as_asked(open_at):
    page = open_at()

    def names():
        return [button.text for button in page.find_elements(By.CSS_SELECTOR, ".agent")]

    best_first = names()
    assert best_first[-1] == "solver"
    Select(page.find_element(By.ID, "sort")).select_by_value("worst")
    assert names() == best_first[::-1]
    Select(page.find_element(By.ID, "sort")).select_by_value("name")
    assert names() == sorted(best_first)


def test_everything_can_be_done_by_keyboard(open_at):
    page = open_at()
    press(page, "/")
    assert focused(page).get_attribute("id") == "text-filter"
    press(page, "2004")
    assert "of" in count(page)
    press(page, Keys.ESCAPE)
    assert "of" not in count(page)
    assert page.find_element(By.ID, "text-filter").get_attribute("value") == ""
    first, second, *_, last = (item.find_element(By.TAG_NAME, "summary") for item in shown(page, "runs"))
    press(page, *[Keys.TAB] * 6)  # five reasons, then the list
    assert focused(page) == first
    press(page, Keys.ENTER)
    assert shown(page, "runs")[0].find_element(By.TAG_NAME, "details").get_attribute("open")
    press(page, Keys.ARROW_DOWN)
    assert focused(page) == second
    press(page, Keys.END)
    assert focused(page) == last
    press(page, Keys.HOME)
    assert focused(page) == first
    ActionChains(page).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert focused(page).get_attribute("data-reason") == "low_evidence"
    press(page, Keys.SPACE)
    assert all("low evidence" in item.text for item in shown(page, "runs"))


def test_long_lists_are_shown_to_their_end_on_demand(open_at):
    page = open_at()
    assert len(shown(page, "messages")) == 20
    rest = page.find_element(By.CSS_SELECTOR, "[data-rest=messages]")
    assert rest.text == "Show 80 more"
    rest.click()
    assert len(shown(page, "messages")) == 100
    assert not rest.is_displayed()
    assert focused(page) == shown(page, "messages")[20].find_element(By.TAG_NAME, "summary")


def test_a_message_leads_to_its_run_through_any_filter(open_at):
    page = open_at()
    page.find_element(By.ID, "text-filter").send_keys("Roughly")
    message = next(item for item in shown(page, "messages") if item.find_elements(By.CSS_SELECTOR, "[data-run]"))
    message.find_element(By.TAG_NAME, "summary").click()
    wanted = message.find_element(By.CSS_SELECTOR, ".command").text
    message.find_element(By.CSS_SELECTOR, "[data-run]").click()
    opened = focused(page).find_element(By.XPATH, "./ancestor::li")
    assert wanted in opened.text
    top = opened.rect["y"] - page.execute_script("return scrollY")
    bar = page.find_element(By.ID, "toolbar").rect["height"]
    assert bar - 1 <= top < 900  # below the bar that stays in place


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways_and_targets_are_large_enough(open_at, scheme):
    page = open_at(360, 800, scheme)
    for summary in [shown(page, "runs")[0], shown(page, "messages")[0]]:
        summary.find_element(By.TAG_NAME, "summary").click()
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    wide = page.execute_script(
        "return [...document.querySelectorAll('main *')].filter(e => e.getClientRects().length"
        " && !e.closest('.visually-hidden') && e.getBoundingClientRect().right > 361)"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    for number in page.find_elements(By.CSS_SELECTOR, ".looks b, .number"):
        assert number.rect["height"] < 30, number.text  # on one line
    for control in page.find_elements(By.CSS_SELECTOR, "button, select, input, summary"):
        if control.is_displayed():
            assert control.rect["height"] >= 32, control.get_attribute("outerHTML")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(open_at, scheme):
    page = open_at(scheme=scheme)
    low = page.execute_script(CONTRAST)
    assert low == []


CONTRAST = """
const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
}
return [...document.querySelectorAll("main *, header *")].filter((element) =>
  element.getClientRects().length && !element.disabled && !element.closest(":disabled") && !element.closest("svg") &&
  [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())).filter((element) => {
    const a = light(rgba(getComputedStyle(element).color)), b = light(behind(element));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }).map((element) => element.outerHTML.slice(0, 100));
"""


def test_without_colours_every_sign_can_still_be_read(open_at):
    page = open_at()
    for number in page.find_elements(By.CSS_SELECTOR, ".number.pos, .number.neg"):
        if number.is_displayed():
            assert number.text[0] == ("+" if "pos" in number.get_attribute("class").split() else "−")
    fills = {
        verdict: page.execute_script(f"return getComputedStyle(document.querySelector('rect.{verdict}')).fill")
        for verdict in ("succeeded", "failed", "uncredited")
    }
    assert "url" in fills["failed"]  # hatched, not only of another colour
    assert len(set(fills.values())) == 3


def test_without_scripts_everything_is_there(driver, file, tmp_path):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(file.as_uri())
        assert len(shown(driver, "messages")) == 100
        assert not driver.find_element(By.ID, "toolbar").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_hostile_content_is_text(open_at, make_run, tmp_path):
    hostile = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    with RunStore(tmp_path / "runs.db") as store:
        store.put(make_run(name=hostile, texts=[hostile] * 3, agents=(hostile, "b", "c")))
        (tmp_path / "all.html").write_text(render_all(store), encoding="utf-8")
    page = open_at(path=tmp_path / "all.html")
    assert "owned" not in page.title
    assert page.find_elements(By.TAG_NAME, "img") == []
    assert hostile[:40] in page.find_element(By.ID, "messages").text
