"""Runs each library's tests in an environment that has it, and makes those environments.

python tests/adapters/environments.py                  # all of them, in .venv/libraries/
python tests/adapters/environments.py rllib            # one
python tests/adapters/environments.py --write vmagent_marl/adapters/README.md   # and the table

`here` is the environment that runs this, with the `dev` extra; the others hold what does not go
beside the rest. An environment is made once, and made anew where its line below has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "libraries"
MARK = "<!-- tested -->"
BESIDE = ("gymnasium", "pettingzoo", "torch")  # told of each environment


@dataclass(frozen=True)
class Environment:
    """What it takes to run the tests of a library."""

    needs: str  # what tests ask for: there they fail where it is absent
    libraries: tuple[str, ...]  # whose versions are told
    tests: tuple[str, ...]  # files, or their parts
    installs: tuple[str, ...] = ()  # beside the package itself
    alone: tuple[str, ...] = ()  # installed without what they ask for
    loosened: tuple[str, ...] = ()  # constraints that do not hold there


ENVIRONMENTS = {
    "here": Environment(
        needs="torchrl",
        libraries=("torchrl", "stable-baselines3", "sb3-contrib"),
        tests=("gymnasium_vector", "torchrl", "sb3", "epymarl"),
    ),
    # it asks for torchvision and av, which bring gigabytes and are for other tasks
    "benchmarl": Environment(
        needs="benchmarl",
        libraries=("benchmarl", "torchrl"),
        tests=("benchmarl", "torchrl", "readme.py::test_example[BenchMARL]"),
        installs=("tensordict==0.11.0", "hydra-core==1.3.8", "tqdm"),
        alone=("benchmarl==1.5.2", "torchrl==0.11.1"),
        loosened=("tensordict", "torchrl"),
    ),
    "rllib": Environment(
        needs="ray.rllib",
        libraries=("ray",),
        tests=("rllib", "readme.py::test_example[RLlib]"),
        installs=("ray[rllib]==2.60.0",),
        loosened=("gymnasium",),
    ),
    "tianshou": Environment(
        needs="tianshou",
        libraries=("tianshou",),
        tests=("tianshou", "readme.py::test_example[Tianshou]"),
        installs=("tianshou==2.0.1",),
        loosened=("filelock",),
    ),
    # peft: imported and not asked for
    "agilerl": Environment(
        needs="agilerl",
        libraries=("agilerl",),
        tests=("agilerl", "readme.py::test_example[AgileRL]"),
        installs=("agilerl==2.58.0", "peft==0.21.0"),
        loosened=("pettingzoo", "tensordict"),
    ),
}


def python_of(name: str) -> Path:
    """The interpreter of an environment, which is made where it is not there."""
    if name == "here":
        return Path(sys.executable)
    environment, folder = ENVIRONMENTS[name], HOME / name
    python, stamp, wanted = folder / "bin" / "python", folder / ".installed", repr(environment)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"{name}: installing (a minute or two; once) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        held = folder / "constraints.txt"
        pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        kept = [pin for pin in pins if pin.partition("==")[0] not in environment.loosened]
        held.write_text("\n".join(kept), encoding="utf-8")
        asked = [f"{ROOT}[torch]", "pytest", *environment.installs]
        subprocess.run([*pip, "-c", held, *asked], check=True)
        if environment.alone:
            subprocess.run([*pip, "--no-deps", *environment.alone], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    subprocess.run([*pip, "--no-deps", "--force-reinstall", ROOT], check=True)
    return python


def run(name: str) -> list[str]:
    """Cells of the table's row: libraries, what stands beside them, what passed."""
    environment, python = ENVIRONMENTS[name], python_of(name)
    tests = [ROOT / "tests" / "adapters" / f"test_{test}" for test in environment.tests]
    files = [test if ".py" in test.name else test.with_suffix(".py") for test in tests]
    settings = ["-c", ROOT / "pyproject.toml", "--rootdir", ROOT, "-p", "no:cacheprovider", "-q"]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as outside:
        told = Path(outside) / "told.xml"
        subprocess.run(
            [python, "-m", "pytest", *settings, f"--junitxml={told}", *files],
            cwd=outside,
            env={**os.environ, "VMAGENT_LIBRARY": environment.needs},
            check=True,
        )
        suite = ElementTree.parse(told).getroot().find("testsuite")
    assert suite is not None
    passed, seconds = int(suite.attrib["tests"]), time.perf_counter() - began
    if passed == 0 or suite.attrib["skipped"] != "0":
        sys.exit(f"{name}: {suite.attrib['skipped']} of {passed} tests were skipped: see above")
    names = [*environment.libraries, *BESIDE]
    code = f"import importlib.metadata as m, json; print(json.dumps([*map(m.version, {names})]))"
    out = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    versions = [f"{of} {version}" for of, version in zip(names, json.loads(out), strict=True)]
    own = len(environment.libraries)
    return [", ".join(versions[:own]), ", ".join(versions[own:]), f"{passed} in {seconds:.0f} s"]


def main() -> None:
    """Run them, and write the table where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(ENVIRONMENTS))
    parser.add_argument("--write", type=Path, help="a Markdown file with the table's marks")
    given = parser.parse_args()
    unknown = set(given.names) - set(ENVIRONMENTS)
    if unknown or (given.write and given.names):
        parser.error(f"give none, for a table of all, or some of: {', '.join(ENVIRONMENTS)}")
    rows = []
    for name in given.names or ENVIRONMENTS:
        try:
            rows.append([name, *run(name)])
        except subprocess.CalledProcessError as failed:
            sys.exit(f"{name}: what is told above failed ({failed.cmd[0]}, {failed.returncode})")
    heading = ["environment", "libraries", "beside", "tests passed"]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [heading, ["---"] * 4, *rows])
    print(table)
    if given.write:
        before, _, after = given.write.read_text(encoding="utf-8").split(MARK)
        text = f"{MARK}\nOn Python {platform.python_version()}:\n\n{table}\n{MARK}"
        given.write.write_text(f"{before}{text}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
