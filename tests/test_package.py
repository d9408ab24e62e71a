"""The package as it is installed: what it brings and what it loads."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from places import ROOT

import vmagent_marl as vm
from vmagent_marl import catalog

HEAVY = ("numba", "gymnasium", "pettingzoo", "minari", "h5py", "torch", "d3rlpy", "matplotlib")


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout


def test_import_loads_nothing_heavy():
    loaded = python(f"import sys, vmagent_marl; print([m for m in {HEAVY} if m in sys.modules])")
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("order", ["vmagent_marl, gymnasium", "gymnasium, vmagent_marl"])
def test_gymnasium_knows_the_scenarios_in_either_order_of_import(order):
    ids = python(f"import {order}; print([i for i in gymnasium.registry if 'vmagent' in i])")
    assert "vmagent_marl/RecoveringL-v0" in ids


def test_gymnasium_knows_them_after_somebody_probed_for_it_and_keeps_its_loader():
    told = python(
        "import importlib.util, importlib.resources, vmagent_marl\n"
        "importlib.util.find_spec('gymnasium')\n"
        "import gymnasium\n"
        "print(importlib.resources.files('gymnasium').is_dir())\n"
        "print('vmagent_marl/Tiny-v0' in gymnasium.registry)"
    )
    assert told.split() == ["True", "True"]


def test_every_public_name_is_there_and_stays_callable():
    """Also after the packages behind the names are imported."""
    for name in vm.__all__:
        getattr(vm, name)
    for name in ("env", "parallel_env", "vector_env", "evaluate", "collect"):
        assert callable(getattr(vm, name))
        assert not hasattr(getattr(vm, name), "__path__")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vm.nothing  # noqa: B018  # the access is the test


def test_tests_run_against_the_installed_package():
    """In CI; an editable installation in a developer's checkout is a developer's choice."""
    if not os.environ.get("CI"):
        pytest.skip("not in CI: the package may be an editable installation")
    assert ROOT not in Path(vm.__file__).parents or ".venv" in Path(vm.__file__).parts


def test_a_wheel_in_a_clean_environment(tmp_path):
    """Build it, look inside, and run the command from an environment that holds only it.

    The dependencies come from this environment by path; the package must come from the wheel.
    """
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for shelf, suffix in catalog.SHELVES.items():
        for name in catalog.names(shelf):
            assert f"vmagent_marl/_catalog/{shelf}/{name}{suffix}" in inside
    assert "vmagent_marl/trace/synthetic/huawei_east_1_statistics.json" in inside
    assert "vmagent_marl/py.typed" in inside
    assert "vmagent_marl/view/film.html" in inside
    assert not any(name.startswith(("tests", "benchmarks", "scenarios")) for name in inside)

    clean = tmp_path / "clean"
    venv.create(clean, with_pip=True)
    pip = [clean / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", wheel], check=True)
    here = Path(next(p for p in sys.path if p.endswith("site-packages")))
    (site,) = clean.glob("lib/python*/site-packages")
    shadow = tmp_path / "dependencies"
    shadow.mkdir()
    for item in here.iterdir():
        if "vmagent" not in item.name:
            (shadow / item.name).symlink_to(item)
    (site / "dependencies.pth").write_text(f"{shadow}\n")
    listed = subprocess.run(
        [clean / "bin" / "vmagent-marl", "list"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "MINARI_DATASETS_PATH": str(tmp_path / "none")},
    )
    for name in ("region-prices", "server-best-fit", "offline/discrete_cql"):
        assert name in listed.stdout
    assert not list(tmp_path.glob("none/*"))
