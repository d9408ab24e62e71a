"""The adapters' page: every example runs by itself, in an empty folder."""

import re

import pytest
from adapters.libraries import need
from places import ROOT

PAGE = ROOT / "vmagent_marl" / "adapters" / "README.md"
EXAMPLES = dict(
    re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
)
NEEDS = {
    "Gymnasium": None,
    "TorchRL": "torchrl",
    "TorchRL's PettingZooWrapper": "torchrl",
    "BenchMARL": "benchmarl",
    "Stable-Baselines3": "sb3_contrib",
    "RLlib": "ray.rllib",
    "EPyMARL": None,
    "Tianshou": "tianshou",
    "AgileRL": "agilerl",
}


def test_every_library_has_an_example():
    headings = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == list(EXAMPLES) == list(NEEDS)


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("heading", NEEDS)
def test_example(heading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # it would leave a token in the home folder
    if NEEDS[heading] is not None:
        need(NEEDS[heading])
    try:
        exec(compile(EXAMPLES[heading], f"{heading} in {PAGE}", "exec"), {"__name__": "example"})
    finally:
        if heading == "RLlib":
            need("ray").shutdown()
