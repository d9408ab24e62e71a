"""The dashboard in a real browser: played, compared, clicked, dropped upon; on two sizes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dash", reason="dash is absent: pip install .[view]")
pytest.importorskip("selenium", reason="selenium is absent: pip install .[dev]")

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.view.dashboard.episode_file import SUFFIX, episode_bytes
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.serving import listen, make_server
from vmagent_marl.view.replay import Replay, played

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE = 20.0  # s
PICTURES = os.environ.get("VMAGENT_PICTURES")  # a folder, for who wants to look


@pytest.fixture(scope="module")
def site(recovering: Replay, packed: Replay, region: Replay, waiting: Replay) -> Iterator[str]:
    """The address of a dashboard with four episodes, f0 to f3."""
    with serving([recovering, packed, region, waiting]) as address:
        yield address


@pytest.fixture
def large() -> Iterator[str]:
    """One with an episode of a thousand servers."""
    scenario = load_scenario("region-1000", home="round-robin")
    with serving([played(scenario, make_policy("first-fit"), Episode(first=0))]) as address:
        yield address


@contextmanager
def serving(replays: Sequence[Replay]) -> Iterator[str]:
    library, listener = Library(), listen(0)
    for replay in replays:
        library.add_episode(episode_bytes(replay.recording), f"a{SUFFIX}")
    server = make_server(library, listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()
    listener.close()
    library.close()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium with its chromedriver is here: install them to test the pages")
    options = Options()
    options.binary_location = browser
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chrome')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    made = webdriver.Chrome(options=options, service=Service(driver))
    made.downloads = downloads  # type: ignore[attr-defined]
    sized(made, 1280, 800)
    yield made
    made.quit()


@pytest.fixture(autouse=True)
def no_errors(chrome: webdriver.Chrome) -> Iterator[None]:
    """The browser's console stays empty of errors, and nothing is asked of another machine."""
    chrome.get_log("browser")
    chrome.get_log("performance")
    yield
    wrong = [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
    assert wrong == []
    for entry in chrome.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked = message["params"]["request"]["url"]
            assert asked.startswith(("http://127.0.0.1:", "data:", "blob:", "chrome")), asked


def sized(chrome: webdriver.Chrome, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def until(true: Callable[[], Any], what: str) -> Any:
    """What is waited for, at last."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if found := true():
                return found
        except Exception as error:  # a part that is being replaced is none of the test's matters
            what = f"{what} ({type(error).__name__})"[:300]
        time.sleep(0.03)
    raise AssertionError(f"waited in vain for {what}")


def opened(chrome: webdriver.Chrome, address: str) -> None:
    chrome.get(address)
    until(lambda: painted(chrome), "the map of servers")


def painted(chrome: webdriver.Chrome, i: int = 0) -> Any:
    """The values of a map's cells that hold any."""
    return chrome.execute_script(
        f"""const plot = document.querySelector('#map-{i} .js-plotly-plot');
        const z = plot && plot.data && plot.data[0].z.flat().filter((v) => v !== null);
        return z && z.length ? z : null"""
    )


def text(chrome: webdriver.Chrome, selector: str) -> str:
    return str(chrome.find_element(By.CSS_SELECTOR, selector).text)


def click(chrome: webdriver.Chrome, selector: str) -> None:
    chrome.find_element(By.CSS_SELECTOR, selector).click()


def step(chrome: webdriver.Chrome) -> int:
    return int(text(chrome, "#where").split(" of ")[0].replace(",", ""))


def gauge(chrome: webdriver.Chrome, name: str, i: int = 0) -> str:
    return text(chrome, f"#pane-{i} [data-gauge={name}] .value")


def keep(chrome: webdriver.Chrome, name: str) -> None:
    if PICTURES:
        time.sleep(0.5)
        chrome.save_screenshot(str(Path(PICTURES) / f"{name}.png"))


def fits(chrome: webdriver.Chrome) -> bool:
    """Nothing is wider than the page."""
    return bool(
        chrome.execute_script(
            "const d = document.documentElement; return d.scrollWidth <= d.clientWidth"
        )
    )


def test_an_episode_plays_pauses_and_steps(
    chrome: webdriver.Chrome, site: str, recovering: Replay
) -> None:
    opened(chrome, f"{site}/watch/f0")
    assert step(chrome) == 0
    body = chrome.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.ARROW_RIGHT)
    until(lambda: step(chrome) == 1, "a step")
    assert "home cluster 0 takes it: server" in text(chrome, "#chain-0")
    body.send_keys(Keys.PAGE_UP)
    until(lambda: step(chrome) == 11, "ten steps")
    body.send_keys(Keys.ARROW_LEFT)
    until(lambda: step(chrome) == 10, "a step back")
    body.send_keys(" ")
    until(lambda: step(chrome) > 14, "playing")
    assert "Pause" in text(chrome, "#play")
    body.send_keys(" ")
    until(lambda: "Play" in text(chrome, "#play"), "the pause")
    time.sleep(0.3)
    stands = step(chrome)
    time.sleep(0.5)
    assert step(chrome) == stands
    body.send_keys(Keys.END)
    until(lambda: "The episode is over" in text(chrome, "#chain-0"), "the end")
    assert gauge(chrome, "placed") == f"{recovering.metrics.placed:,}"
    assert step(chrome) == len(recovering)
    body.send_keys(Keys.HOME)
    until(lambda: gauge(chrome, "placed") == "0", "the beginning")


def test_the_map_shows_the_step_and_a_click_shows_the_server(
    chrome: webdriver.Chrome, site: str, recovering: Replay
) -> None:
    opened(chrome, f"{site}/watch/f0")
    script = "dash_clientside.set_props('position', {value: 200})"
    chrome.execute_script(script)
    shares = (100 * recovering.used(200).max(axis=1)).round().astype(int)
    vms = recovering.vms_on(200)
    wanted = [int(shares[0, s, node]) if vms[0, s] else -12 for s in range(5) for node in range(2)]
    until(lambda: painted(chrome) == wanted, f"cells of step 200: {wanted}")
    place = chrome.execute_script(
        """const plot = document.querySelector('#map-0 .js-plotly-plot');
        plot.scrollIntoView({block: 'center'});
        const box = plot.querySelector('.nsewdrag').getBoundingClientRect();
        const x = plot._fullLayout.xaxis, y = plot._fullLayout.yaxis, x0 = plot.data[0].x;
        return [box.left + x.d2p((x0[12] + x0[13]) / 2), box.top + y.d2p(0.5)]"""
    )
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        time.sleep(0.15)
        at = {"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        chrome.execute_cdp_cmd("Input.dispatchMouseEvent", at)
    until(lambda: "server 3 over" in text(chrome, "#server-title-0"), "server 3's course")
    keep(chrome, "clicked")


def test_two_policies_are_compared_from_where_they_part(
    chrome: webdriver.Chrome, site: str
) -> None:
    opened(chrome, f"{site}/watch/f0/f1")
    click(chrome, "#jump")
    until(lambda: step(chrome) > 0, "the first difference")
    first, second = (text(chrome, f"#chain-{i}").split("\n") for i in range(2))
    assert first[0].split(":")[1] == second[0].split(":")[1]  # the same request
    assert first[1:] != second[1:]  # another answer
    where = chrome.find_elements(By.CSS_SELECTOR, ".charts .cursor")
    assert len(where) == 3
    click(chrome, "#axis label:nth-of-type(2)")
    until(lambda: "decided" not in text(chrome, "#where"), "simulated time")
    until(
        lambda: all("min" in title.text for title in
                    chrome.find_elements(By.CSS_SELECTOR, ".charts .g-xtitle")), "titles in minutes"
    )  # fmt: skip
    assert "A less B" in text(chrome, ".metrics")
    keep(chrome, "compared")


def test_clusters_and_queues_have_their_own_charts(chrome: webdriver.Chrome, site: str) -> None:
    opened(chrome, f"{site}/watch/f2")
    chrome.execute_script("dash_clientside.set_props('position', {value: 900})")
    until(lambda: step(chrome) == 900, "step 900")
    row = until(lambda: text(chrome, "#clusters-0 tr:nth-child(3)"), "the clusters' table")
    assert row.startswith("2 ")
    heads = [head.text for head in chrome.find_elements(By.CSS_SELECTOR, ".charts h2")]
    assert heads == ["Load", "Reward", "Profit", "Power", "Hops"]
    opened(chrome, f"{site}/watch/f3")
    heads = [head.text for head in chrome.find_elements(By.CSS_SELECTOR, ".charts h2")]
    assert heads == ["Load", "Reward", "Queue", "Wait"]
    assert gauge(chrome, "queue") == "0"


def test_files_are_dropped_played_and_saved(
    chrome: webdriver.Chrome, site: str, packed: Replay, tmp_path: Path
) -> None:
    good, bad = tmp_path / f"good{SUFFIX}", tmp_path / f"bad{SUFFIX}"
    good.write_bytes(episode_bytes(packed.recording))
    bad.write_bytes(b"PK\x03\x04 but torn")
    chrome.get(site)
    zone = until(lambda: chrome.find_element(By.CSS_SELECTOR, "#upload input"), "the drop zone")
    zone.send_keys(str(bad))
    until(lambda: "is no episode file" in text(chrome, "#upload-error"), "what is wrong with it")
    keep(chrome, "refused")
    zone.send_keys(str(good))
    until(lambda: "/watch/" in chrome.current_url and painted(chrome), "the episode's page")
    assert "recovering: server-best-fit" in text(chrome, "h1")
    click(chrome, ".pane-head button")
    folder: Path = chrome.downloads  # type: ignore[attr-defined]
    saved = until(lambda: list(folder.glob(f"*{SUFFIX}")), "the download")
    assert saved[0].read_bytes() == good.read_bytes()


def test_what_a_file_tells_is_text_and_never_code(
    chrome: webdriver.Chrome, site: str, packed: Replay, tmp_path: Path
) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    recording = packed.recording
    told = recording.scenario.replace(description=hostile, name=f"a</title>{hostile}")
    file = tmp_path / f"hostile{SUFFIX}"
    odd = dataclasses.replace(recording, policy=hostile, scenario=told)
    file.write_bytes(episode_bytes(odd))
    chrome.get(site)
    zone = until(lambda: chrome.find_element(By.CSS_SELECTOR, "#upload input"), "the drop zone")
    zone.send_keys(str(file))
    until(lambda: "/watch/" in chrome.current_url and painted(chrome), "the episode's page")
    assert hostile in text(chrome, "h1")
    assert chrome.find_elements(By.CSS_SELECTOR, "main img, main script") == []


def test_a_form_plays_now_and_wrong_paths_are_told(chrome: webdriver.Chrome, site: str) -> None:
    chrome.get(site)
    until(lambda: chrome.find_element(By.ID, "form-play").is_displayed(), "the form")
    keep(chrome, "home")
    click(chrome, "#form-play")
    until(lambda: "/watch/" in chrome.current_url and painted(chrome, 1), "what was played")
    assert "recovering: first-fit and server-best-fit" in text(chrome, "h1")
    chrome.get(f"{site}/watch/nothing")
    until(lambda: "is here" in text(chrome, "[role=alert]"), "the error")


@pytest.mark.parametrize("path", ["/", "/watch/f0/f1", "/watch/f2"])
def test_pages_fit_a_phone_and_wear_both_themes(
    chrome: webdriver.Chrome, site: str, path: str
) -> None:
    sized(chrome, 390, 844)
    try:
        chrome.get(site + path)
        until(lambda: chrome.find_elements(By.CSS_SELECTOR, ".panel"), "the page")
        if path != "/":
            until(lambda: painted(chrome), "the map")
        assert fits(chrome)
        ground = "return getComputedStyle(document.body).backgroundColor"
        before = chrome.execute_script(ground)
        click(chrome, "#theme")
        until(lambda: chrome.execute_script(ground) != before, "the other theme")
        keep(chrome, "phone" + path.replace("/", "-"))
        click(chrome, "#theme")
    finally:
        sized(chrome, 1280, 800)


def test_a_thousand_servers_stay_smooth(chrome: webdriver.Chrome, large: str) -> None:
    """The best of some, since a machine has other things to do: 2 s to the first picture, 150 ms
    from a slider's move to what it shows."""
    paints: list[float] = []
    while len(paints) < 5 and min(paints, default=9.0) >= 2.0:
        begin = time.monotonic()
        opened(chrome, f"{large}/watch/f0")
        paints.append(time.monotonic() - begin)
    assert min(paints) < 2.0
    moves = chrome.execute_async_script(
        """const done = arguments[0], took = [];
        const seen = () => document.getElementById('where').textContent.replace(/,/g, '');
        const wait = (ms) => new Promise((go) => setTimeout(go, ms));
        (async () => {
          for (let i = 0; i < 15; i += 1) {
            const to = 700 + 311 * i, begin = performance.now();
            dash_clientside.set_props('position', {value: to});
            while (!seen().startsWith(`${to} of`)) await wait(1);
            await new Promise((go) => requestAnimationFrame(() => setTimeout(go, 0)));
            took.push(performance.now() - begin);
            await wait(30);
          }
          done(took);
        })();"""
    )
    assert min(moves) < 150, moves
