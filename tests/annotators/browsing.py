"""A headless browser for pages that build themselves: everything is waited for, nothing is timed."""

from __future__ import annotations

import shutil

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1500,1000",
)


def start(profile):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def wait(driver, look, what):
    """The first true thing that `look` returns; elements that go away while looked at are looked for again."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 90, ignored_exceptions=[StaleElementReferenceException]).until(
        lambda page: look(), f"not seen: {what}"
    )


def settled(driver, look):
    """Whether `look` becomes true soon; False if not, to try something else."""
    from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        WebDriverWait(driver, 12, ignored_exceptions=[StaleElementReferenceException]).until(lambda page: look())
    except TimeoutException:
        return False
    return True


def text(driver, selector="body"):
    """What the first such element shows; empty if there is none. One call, as pages hold thousands of elements."""
    return driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
