"""The report in a real browser: clicks, filters, keys, a narrow screen, and nothing that the policy had to block."""

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("selenium", reason="selenium is not installed: pip install --group browser")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from credit_hooks.report import render

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(driver, tmp_path):
    def open_run(run, width=1360, height=1000):
        path = tmp_path / "report.html"
        path.write_text(render(run), encoding="utf-8")
        driver.set_window_size(width, height)
        driver.get(path.as_uri())
        return driver

    yield open_run
    assert [entry["message"] for entry in driver.get_log("browser")] == []  # no error, nothing blocked


@pytest.fixture
def run(make_run):
    rewards = (0.1, -0.4, -0.05, 0.05, -0.2, 0.0)
    return make_run(rewards=rewards, texts=[f"text number {n}\nsecond line" for n in range(6)], first_error=2)


def rows(page):
    return page.find_elements(By.CSS_SELECTOR, ".row")


def detail(page):
    return page.find_element(By.ID, "detail")


def focused(page):
    return page.execute_script("return document.activeElement.dataset.at ?? document.activeElement.id")


def press(page, *keys):
    ActionChains(page).send_keys(*keys).perform()


def test_the_graph_has_one_node_per_message_and_one_edge_per_new_read(open_page, run):
    page = open_page(run)
    assert len(rows(page)) == 7
    edges = page.find_elements(By.CSS_SELECTOR, "#edges .edge")
    assert [edge.get_attribute("data-edge") for edge in edges] == [f"{n}-{n + 1}" for n in range(6)]
    glyphs = [node.text for node in page.find_elements(By.CSS_SELECTOR, "#edges [data-node]")]
    assert glyphs == ["", "+", "−", "−", "+", "−", "0"]
    assert "first error" in rows(page)[2].text


def test_a_click_shows_text_reward_and_reads(open_page, run):
    page = open_page(run)
    rows(page)[5].click()
    shown = detail(page).text
    assert "text number 4\nsecond line" in shown
    assert "−0.200" in shown
    assert "#4 planner" in shown
    assert "and, through these, 4 earlier" in shown
    lit = page.find_elements(By.CSS_SELECTOR, "#edges .edge.lit")
    assert {edge.get_attribute("data-edge") for edge in lit} == {"4-5", "5-6"}
    detail(page).find_element(By.CSS_SELECTOR, ".links button").click()
    assert "text number 3" in detail(page).text


def test_filters_by_agent_and_by_sign_and_links_skip_what_is_hidden(open_page, run):
    page = open_page(run)
    Select(page.find_element(By.ID, "agent-filter")).select_by_visible_text("solver")
    assert [row.get_attribute("data-at") for row in rows(page)] == ["2", "5"]
    assert page.find_element(By.ID, "count").text == "2 of 7 messages"
    (edge,) = page.find_elements(By.CSS_SELECTOR, "#edges .edge")
    assert edge.get_attribute("data-edge") == "2-5"
    assert "via" in edge.get_attribute("class")
    page.find_element(By.CSS_SELECTOR, "[data-sign=pos]").click()
    assert rows(page) == []
    page.find_element(By.ID, "clear").click()
    assert len(rows(page)) == 7
    page.find_element(By.CSS_SELECTOR, "[data-sign=neg]").click()
    assert [row.get_attribute("data-at") for row in rows(page)] == ["2", "3", "5"]


def test_the_keyboard_reaches_moves_opens_and_closes(open_page, run):
    page = open_page(run)
    press(page, Keys.ESCAPE)  # the first error was open
    assert not detail(page).is_displayed()
    assert focused(page) == "2"
    press(page, Keys.HOME)
    assert focused(page) == "0"
    press(page, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert focused(page) == "1"
    press(page, Keys.ARROW_RIGHT)
    assert focused(page) == "2"
    press(page, Keys.ARROW_LEFT)
    assert focused(page) == "1"
    press(page, Keys.ENTER)
    assert focused(page) == "detail"
    assert "text number 0" in detail(page).text
    press(page, Keys.ESCAPE)
    assert focused(page) == "1"
    press(page, Keys.END)
    assert focused(page) == "6"
    press(page, Keys.TAB)
    assert focused(page) == ""
    ActionChains(page).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert focused(page) == "6"  # one stop for the whole list


def test_jumps_go_to_first_error_worst_best_and_answer(open_page, run):
    page = open_page(run)
    for target, text in {"best": "number 0", "worst": "number 1", "first": "number 1", "answer": "number 5"}.items():
        page.find_element(By.CSS_SELECTOR, f"[data-jump={target}]").click()
        assert text in detail(page).text


def test_hostile_content_is_text(open_page, make_run):
    hostile = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    page = open_page(make_run(name=hostile, texts=[hostile] * 3, agents=(hostile, "b", "c")))
    assert "owned" not in page.title.replace(hostile[:99], "")
    rows(page)[1].click()
    assert hostile in detail(page).text
    assert page.find_elements(By.CSS_SELECTOR, "img") == []


def test_a_phone_shows_the_message_as_a_sheet_and_never_scrolls_sideways(open_page, run):
    page = open_page(run, 500, 900)  # the narrowest window that chromium opens
    assert not detail(page).is_displayed()
    rows(page)[2].click()
    assert detail(page).is_displayed()
    sheet = detail(page).rect
    assert sheet["width"] >= page.execute_script("return innerWidth") - 16
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    detail(page).find_element(By.CSS_SELECTOR, ".close").click()
    assert not detail(page).is_displayed()


def test_a_thousand_messages_are_drawn_and_searched(open_page, make_run):
    size = 1000
    page = open_page(make_run(rewards=[-0.0005] * size, texts=["a line of text " * 20] * size, first_error=700))
    assert len(rows(page)) == size + 1
    page.find_element(By.CSS_SELECTOR, "[data-jump=first]").click()
    assert "#700" in detail(page).text
    top = page.execute_script("return document.querySelector('[data-at=\"700\"]').getBoundingClientRect().top")
    assert 0 < top < 1000


def test_one_message_gives_one_node(open_page, make_run):
    page = open_page(make_run(rewards=[], texts=[], agents=()))
    assert len(rows(page)) == 1
    assert "Read nothing" in (rows(page)[0].click() or detail(page).text)
