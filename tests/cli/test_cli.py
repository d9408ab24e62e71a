"""The command as people type it, right and wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from places import real_trace, reference

import vmagent_marl
from vmagent_marl import catalog
from vmagent_marl.cli import start
from vmagent_marl.cli.main import main
from vmagent_marl.episodes.storage.minari_format import own_metadata
from vmagent_marl.errors import VmagentError

VMS = "vmid,cpu,mem,at,lt\n" + "".join(f"{i},{1 + i % 4},{2 + i % 4},{i},50\n" for i in range(300))


@pytest.fixture
def trace(tmp_path) -> Path:
    file = tmp_path / "vms.csv"
    file.write_text(VMS)
    return file


@pytest.fixture(autouse=True)
def datasets_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def fails(capsys, *arguments: str) -> str:
    """The one line that a wrong command answers."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("error:")]) == 1
    assert lines[-1].startswith("error: ")
    return lines[-1]


def test_list_shows_everything(capsys):
    main(["list"])
    out = capsys.readouterr().out
    for shelf in catalog.SHELVES:
        for name in catalog.names(shelf):
            assert name in out
    for heading in ("Scenarios", "Policies", "Recipes", "Programs", "Data sets here"):
        assert heading in out


def test_evaluate_writes_what_it_printed(capsys, trace, tmp_path):
    out, starts = tmp_path / "out.json", tmp_path / "starts.txt"
    starts.write_text("# rows\n10\n\n20\n")
    main(
        f"evaluate --scenario recovering --trace {trace} --policy first-fit --starts {starts} "
        f"--servers 1 --json {out} --quiet".split()
    )
    told = json.loads(out.read_text())
    assert (told["scenario"], told["policy"]) == ("recovering", "first-fit")
    assert [episode["start"] for episode in told["episodes"]] == [10, 20]
    for episode in told["episodes"]:
        assert episode["requests"] == episode["placed"] + episode["turned_away"]
    assert "first-fit" in capsys.readouterr().out


def test_evaluate_compares_every_heuristic_and_draws(capsys, trace, tmp_path):
    plot = tmp_path / "scores.svg"
    main(
        f"evaluate --scenario region-prices --trace {trace} --episodes 3 --set horizon=20 "
        f"home=pinned --plot {plot} --quiet".split()
    )
    out = capsys.readouterr().out
    for name in ("cheapest-first", "pass-unless", "random"):
        assert name in out
    assert plot.read_text().lstrip().startswith("<?xml")


def test_waiting_reference_through_the_command(tmp_path):
    """The published figures, by the very command, with the size changed before the length."""
    rows = reference("waiting_queue.csv").read_text().split()[1:4]
    starts, out = tmp_path / "starts.txt", tmp_path / "out.json"
    starts.write_text("".join(f"{row.split(',')[0]}\n" for row in rows))
    main(
        f"evaluate --scenario waiting --trace {real_trace()} --policy balance-fit "
        f"--starts {starts} --json {out} --quiet".split()
    )
    episodes = json.loads(out.read_text())["episodes"]
    assert [e["requests"] for e in episodes] == [int(row.split(",")[1]) for row in rows]
    assert [e["wait_s"] for e in episodes] == [float(row.split(",")[3]) for row in rows]
    main(
        f"evaluate --scenario waiting --trace {real_trace()} --policy first-fit --starts {starts} "
        f"--servers 20 --json {out} --quiet".split()
    )
    larger = json.loads(out.read_text())["episodes"]
    assert all(a["requests"] > b["requests"] for a, b in zip(larger, episodes, strict=True))


def test_collect_and_refuse_to_overwrite(capsys, trace, tmp_path):
    card = tmp_path / "card.md"
    command = (
        f"collect --scenario recovering --trace {trace} --policy best-fit --episodes 3 "
        f"--servers 1 --quiet --card {card}"
    ).split()
    main(command)
    assert "vmagent/recovering/best-fit-servers-1-on-vms-v0" in capsys.readouterr().out
    assert "best-fit" in card.read_text()
    told = fails(capsys, *command)
    assert told.endswith("exists already: give --overwrite, or another --name")
    main([*command, "--overwrite"])


def test_a_recipe_on_another_trace_keeps_its_id_and_tells_the_trace(capsys, trace, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "scenario: tiny\nepisodes: 2\ntiers:\n  small: {policies: [{name: first-fit}]}\n"
    )
    made = []
    for options in ([], ["--trace", str(trace), "--overwrite"]):
        main(["collect", "--recipe", str(recipe), "--quiet", *options])
        assert capsys.readouterr().out.strip() == "vmagent/tiny/small-v0"
        made.append(own_metadata("vmagent/tiny/small-v0"))
    assert made[0]["recipe_hash"] != made[1]["recipe_hash"]
    assert [own["trace"]["name"] for own in made] == ["inline", "vms"]
    assert made[1]["scenario"]["trace"] == str(trace)
    told = fails(capsys, "collect", "--recipe", str(recipe))
    assert "there already, by another recipe" in told


def test_trace_commands(capsys, trace, tmp_path):
    plot, copy, month = tmp_path / "t.png", tmp_path / "copy.csv.gz", tmp_path / "month.csv"
    main(["trace", "describe", str(trace), "--plot", str(plot)])
    assert "300" in capsys.readouterr().out
    assert plot.stat().st_size > 10_000
    main(["trace", "convert", str(trace), str(copy)])
    assert "300 VMs" in capsys.readouterr().out
    assert "exists" in fails(capsys, "trace", "convert", str(trace), str(copy))
    main(["trace", "synthesize", str(month), "--days", "1", "--seed", "3"])
    assert month.read_text().startswith("vmid,cpu,mem,at,lt")
    main(["trace", "describe", "synthetic"])
    assert "synthetic" in capsys.readouterr().out


def test_copy_and_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["copy", "scenarios/tiny", "mine.yaml"])
    main(["evaluate", "--scenario", "./mine.yaml", "--policy", "first-fit", "--quiet"])
    assert "exists" in fails(capsys, "copy", "scenarios/tiny", "mine.yaml")
    assert "did you mean 'scenarios/tiny'" in fails(capsys, "copy", "scenarios/tinny")
    assert "did you mean" in fails(capsys, "run", "offline/discrete_sql")
    with pytest.raises(SystemExit) as end:
        main(["run", "collectors/heuristic", "--help"])
    assert end.value.code == 0
    assert "--" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("evaluate --scenario recovring", "did you mean 'recovering'"),
        ("evaluate --scenario recovering --policy first-fitt", "did you mean 'first-fit'"),
        ("evaluate --scenario recovering --trace nowhere.csv", "nowhere.csv"),
        ("evaluate --scenario recovering --starts nowhere.txt", "nowhere.txt"),
        ("evaluate --scenario recovering --policy nowhere.pt", "nowhere.pt"),
        ("evaluate --scenario recovering --set servers", "write name=value"),
        ("evaluate --scenario recovering --set servrs=3", "error: --set: unknown key 'servrs'"),
        ("evaluate --scenario recovering --servers 0", "error: --servers: 0 is out of range"),
        ("evaluate --scenario tiny --set servers=0", "error: --set servers: 0 is out of range"),
        ("collect --scenario tiny --policy random --servers 0", "error: --servers: 0 is out"),
        ("evaluate --scenario tiny --plot scores.gif", "no picture format: end the name in .png"),
        ("evaluate --scenario nowhere/mine.yaml", "cannot be read"),
        ("evaluate --scenario recovering --policy cheapest-first", "publishes none"),
        ("evaluate --scenario recovering --episodes 0", "episodes"),
        ("collect --scenario recovering", "what to record"),
        ("collect --recipe fading/expertt", "did you mean 'fading/expert'"),
        ("collect --recipe fading/expert --policy random --seed 0", "--policy, --seed: the recipe"),
        ("collect --scenario tiny --policy random --epsilon 2", "epsilon"),
        ("collect --scenario tiny --policy random --name ../up", "cannot stand in a data set's id"),
        ("trace describe nowhere.csv", "nowhere.csv"),
    ],
)
def test_wrong_commands_say_what_to_do(capsys, command, answer):
    assert answer in fails(capsys, *command.split())


def test_a_start_out_of_range_names_its_row(capsys, trace, tmp_path):
    starts = tmp_path / "starts.txt"
    starts.write_text("10\nten\n")
    wrong = f"evaluate --scenario recovering --trace {trace} --starts {starts}".split()
    assert "starts.txt:2" in fails(capsys, *wrong)
    starts.write_text("10\n300\n")
    assert "300" in fails(capsys, *wrong)


def test_a_trace_without_windows_says_how_to_play_it_all_the_same(capsys, tmp_path):
    file = tmp_path / "three.csv"
    file.write_text("\n".join(VMS.splitlines()[:4]) + "\n")
    command = f"evaluate --scenario recovering --trace {file} --policy first-fit --quiet".split()
    told = fails(capsys, *command)
    assert "3 rows are too few for windows: give `all` (--window all)" in told
    main([*command, "--window", "all"])
    assert "whole trace of three" in capsys.readouterr().out


def test_tables_are_printed_before_anything_is_drawn(capsys, monkeypatch, tmp_path):
    def fails_to_draw(*_):
        raise VmagentError("no ink")

    monkeypatch.setattr("vmagent_marl.view.plots.plot_scores", fails_to_draw)
    with pytest.raises(SystemExit):
        main(
            f"evaluate --scenario tiny --policy first-fit --plot {tmp_path / 'a.png'} "
            "--quiet".split()
        )
    said = capsys.readouterr()
    assert "means per episode" in said.out
    assert "no ink" in said.err


def test_nothing_on_the_line_is_help(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0
    assert "vmagent-marl list" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["collect", "evaluate", "copy", "demo", "run offline/behaviour_cloning"]
)
def test_help_says_what_to_type(capsys, command):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    out = capsys.readouterr().out
    assert f"usage: vmagent-marl {command} " in out
    for annotation in ("{None}", "STR", "PATH", "INT", "FLOAT"):
        assert annotation not in out


def test_the_version_and_the_help_that_tells_of_it(capsys):
    main(["--version"])
    assert capsys.readouterr().out.strip() == vmagent_marl.__version__
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--version" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("collect --scenario tiny --policy random", "interrupted: the same command again goes on"),
        ("list", "interrupted"),
    ],
)
def test_only_what_goes_on_is_said_to(capsys, monkeypatch, command, told):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("vmagent_marl.cli.main.read", interrupt)
    with pytest.raises(SystemExit) as end:
        main(command.split())
    assert end.value.code == 130
    assert capsys.readouterr().err.strip() == told


def test_an_interrupt_while_the_command_loads_shows_no_traceback(monkeypatch, capsys):
    class Interrupting:
        def find_spec(self, name, *_):
            if name == "vmagent_marl.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "vmagent_marl.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        start()
    assert end.value.code == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["list", "trace", "collect", "evaluate", "copy", "demo"])
def test_help_explains(capsys, command):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "usage: vmagent-marl" in capsys.readouterr().out


def test_an_oversize_vm_is_one_line_of_warning(tmp_path):
    """As a process, since the test suite turns warnings into errors."""
    file = tmp_path / "vms.csv"
    file.write_text(VMS + "999,99,1,400,5\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vmagent_marl.cli.main", "evaluate", "--quiet"),
            *("--scenario", "recovering", "--trace", str(file)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert "1 VMs of trace 'vms'" in warnings[0]
    assert "each ends its episode" in warnings[0]
    assert "--mix 99x1=0" in warnings[0]


def test_a_place_that_cannot_be_written_is_refused_before_the_work(capsys, tmp_path):
    trace = ["--scenario", "tiny", "--policy", "first-fit", "--quiet"]
    assert "is a folder" in fails(capsys, "collect", *trace, "--card", str(tmp_path))
    main(["collect", *trace, "--card", str(tmp_path / "card.md")])  # nothing was made before
    capsys.readouterr()
    for option in ("--json", "--plot"):
        assert "is a folder" in fails(capsys, "evaluate", *trace, option, str(tmp_path))
        assert "first-fit" not in capsys.readouterr().out


def test_a_demo_that_cannot_play_leaves_the_earlier_one(capsys, tmp_path):
    (tmp_path / "demo.txt").write_text("an earlier demo's")
    (tmp_path / "kept").write_text("")
    short = tmp_path / "three.csv"
    short.write_text("\n".join(VMS.splitlines()[:4]) + "\n")
    for wrong in (["--trace", "nowhere.csv"], ["--trace", str(short)], ["--seed", "-1"]):
        fails(capsys, "demo", "--out", str(tmp_path), *wrong)
    assert (tmp_path / "kept").exists()
    assert "is a file" in fails(capsys, "demo", "--out", str(tmp_path / "kept"))
    (tmp_path / "demo.txt").unlink()
    assert "something else than a demo" in fails(capsys, "demo", "--out", str(tmp_path))


def test_a_reader_who_has_seen_enough_is_no_error():
    command = f"set -o pipefail; {sys.executable} -m vmagent_marl.cli.main list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
