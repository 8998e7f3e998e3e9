"""The report in a real browser that can reach nothing but the file.

- The console stays empty, and the key texts are in the page as the browser understands it.
- What the image printed runs nothing.
- It is dark where the reader's screen is, and light on paper, where what is folded on a screen unfolds.
- On a narrow screen nothing sticks out.
"""

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from capmin.cli import main
from tests.conftest import missing
from tests.unit.recorded import CHOWN_LINE, write_directory

OPTIONS = (
    *"--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync".split(),
    *"--disable-background-networking --disable-component-update --disable-dev-shm-usage".split(),
    # Whatever the page would fetch could not be resolved, and be an error in the console.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report."""
    directory = write_directory(tmp_path_factory.mktemp("report") / "web")
    assert main(["report", str(directory)]) == 0
    return (directory / "report.html").as_uri()


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    binary, program = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or program is None:
        missing("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    with tempfile.TemporaryDirectory(prefix="capmin-chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for option in (*OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(
            options=options, service=Service(program, env=os.environ | {"HOME": profile})
        )
        try:
            yield browser
        finally:
            browser.quit()


@pytest.fixture(autouse=True)
def _opened(driver: webdriver.Chrome, page: str) -> None:
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.get(page)


def emulate(driver: webdriver.Chrome, *, media: str = "", scheme: str = "light") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def brightness(driver: webdriver.Chrome) -> int:
    """Of the page's ground, 0 to 255."""
    colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])


def test_the_console_stays_empty(driver: webdriver.Chrome) -> None:
    assert driver.get_log("browser") == []


def test_the_key_texts_are_there(driver: webdriver.Chrome) -> None:
    text = driver.find_element(By.TAG_NAME, "body").text
    for words in (
        "Use it",
        "--cap-add CHOWN",
        "Exposure, before and after",
        CHOWN_LINE,
        "Trials by privilege",
    ):
        assert words in text
    assert driver.title == 'web"><img src=x>:1: what it needs'


def test_output_runs_nothing(driver: webdriver.Chrome) -> None:
    assert driver.find_elements(By.CSS_SELECTOR, "script, img, iframe, object, embed, form") == []
    assert "<script>alert(1)</script>" in driver.find_element(By.ID, "certificate").text


def test_it_fetches_nothing(driver: webdriver.Chrome) -> None:
    entries = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [entry for entry in entries if not entry.startswith("data:")] == []


def test_drawings_have_a_size(driver: webdriver.Chrome) -> None:
    drawings = driver.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(drawings) == 2
    assert all(drawing.size["height"] > 40 for drawing in drawings)


def test_it_is_dark_where_the_screen_is(driver: webdriver.Chrome) -> None:
    assert brightness(driver) > 200
    emulate(driver, scheme="dark")
    assert brightness(driver) < 60


def test_on_paper_it_is_light_and_unfolded(driver: webdriver.Chrome) -> None:
    folded = driver.find_element(By.CSS_SELECTOR, "details table")
    assert not folded.is_displayed()
    emulate(driver, media="print", scheme="dark")
    assert brightness(driver) > 200
    assert driver.execute_script("return arguments[0].getBoundingClientRect().height", folded) > 100


def test_it_prints(driver: webdriver.Chrome) -> None:
    assert base64.b64decode(driver.print_page()).startswith(b"%PDF")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(width: int, driver: webdriver.Chrome) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
