"""The adapters' page: every example runs by itself, in an empty folder."""

import re

import pytest
from adapters.environments import ENVIRONMENTS, MARK
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


def test_the_table_tells_of_the_versions_that_are_pinned():
    table = PAGE.read_text(encoding="utf-8").split(MARK)[1]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    for name, environment in ENVIRONMENTS.items():
        pins = constraints if name == "here" else environment.installs + environment.alone
        versions = dict(
            re.match(r"([\w-]+)[^=]*==(.+)", pin).groups() for pin in pins if "==" in pin
        )
        for library in environment.libraries:
            version = versions.get(library) or versions[library.replace("-", "_")]
            assert re.search(rf"^\| {name} \|.*\b{library} {version}\b", table, re.MULTILINE)


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
