"""Scenarios: what is read, what is refused and how, and what the simulator is told."""

import dataclasses
import json
import re
import warnings

import numpy as np
import pytest

import vmagent_marl as vm
from vmagent_marl import catalog
from vmagent_marl.errors import ScenarioError, TraceError, UnknownNameError
from vmagent_marl.scenario import (
    MOST_CLUSTERS,
    MOST_SERVERS,
    REWARDS,
    Expansion,
    OversizeWarning,
    Scenario,
    load_scenario,
    scenario_from,
)
from vmagent_marl.sim import Episode, state
from vmagent_marl.sim.rewards import NAMES
from vmagent_marl.sim.rules import HINTS, NO_HINTS, NODES
from vmagent_marl.trace import NEVER
from vmagent_marl.windows import episode_of, rows_of, starts_of

SCENARIOS = catalog.names("scenarios")


@pytest.mark.parametrize("name", SCENARIOS)
def test_shelf(name):
    """Each is described, is the same after a trip through JSON, and plays."""
    scenario = load_scenario(name)
    assert scenario.description
    assert scenario_from(json.loads(json.dumps(scenario.as_dict()))) == scenario
    with warnings.catch_warnings():
        warnings.simplefilter("error", OversizeWarning)
        sim = scenario.simulator(batch=2)
    sim.reset({b: episode_of(scenario, sim.trace, "test", seed=0, number=b) for b in range(2)})
    for _ in range(20):
        sim.step(sim.mask.argmax(axis=2))
    assert sim.metrics(0).placed > 0


def test_the_four_of_vmagent_are_what_they_were():
    fading, recovering = load_scenario("fading"), load_scenario("recovering")
    assert (fading.servers, fading.departures, fading.halve.above) == (5, False, 32)
    assert (recovering.servers, recovering.departures, recovering.halve.above) == (5, True, 10)
    assert load_scenario("recovering-l").servers == 100
    assert load_scenario("expanding").expansion == Expansion(0.7, 2, 100)
    for name in ("fading", "recovering", "recovering-l", "expanding"):
        scenario = load_scenario(name)
        assert (scenario.node_cpu, scenario.node_memory) == (40, 90)
        assert (scenario.reward, scenario.turned_away) == ({"placed": 1.0}, "end")


def test_expanding_expands():
    scenario = load_scenario("expanding")
    sim = scenario.simulator()
    sim.reset({0: Episode(0)})
    assert sim.state.in_service[0, 0].sum() == 20
    while sim.running[0]:
        sim.step(sim.mask.argmax(axis=2))
        grown = sim.state.in_service[0, 0].sum()
    assert grown == 100
    assert sim.actions == 201


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "vms.csv").write_text("vmid,cpu,mem,at,lt\n0,1,2,0,9\n1,2,4,1,\n")
    file = tmp_path / "mine.yaml"
    file.write_text("servers: [2, 3]\nclusters: 2\ntrace: vms.csv\nreward: cpu\nhome: random\n")
    scenario = load_scenario(file)
    assert scenario.name == "mine"
    assert scenario.each("servers") == (2, 3)
    assert scenario.load_trace().name == "vms"
    assert scenario.load_trace().departure.tolist() == [9, NEVER]
    assert load_scenario(str(file), servers=4).each("servers") == (4, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers: 5\nservrs: 3", r"mine.yaml:2: unknown key 'servrs': did you mean 'servers'"),
        ("servers: five", r"mine.yaml:1: servers: 'five' is no whole number"),
        ("servers: 2.5", r"mine.yaml:1: servers: 2.5 is no whole number"),
        ("servers: true", r"mine.yaml:1: servers: True is no whole number"),
        ("clusters: 2", r"mine.yaml: key 'servers' is missing"),
        ("servers: 0", r"mine.yaml:1: servers: 0 is out of range"),
        ("servers: 1\nservers: 2", r"mine.yaml:2: key 'servers' stands in line 1 already"),
        ("servers: [1, 2]", r"servers: 2 values for 1 clusters"),
        ("servers: 1\nturned_away: perhaps", r":2: turned_away: 'perhaps' is none of 'end' or"),
        ("servers: 1\nhalve: {above: 3}", r":2: halve: key 'resource' is missing"),
        ("servers: 1\nhalve: 3", r":2: halve: 3 is no mapping with the keys resource, above"),
        ("servers: 1\nreward: {placd: 1}", r"unknown reward 'placd': did you mean 'placed'"),
        ("servers: 1\ntries: 2", r"tries: 2 exceed the clusters"),
        ("servers: 1\nhorizon: 0", r"horizon: 0 is too few"),
        ("servers: 1\nshare: 2", r"share: 2.0 is no share"),
        ("servers: 9\nexpansion: {threshold: .5, servers: 1, most: 4}", r"most: 4 is below"),
        ("servers: 1\nhome: least-loaded", r"least-loaded needs published summaries"),
        ("servers: 1\nhints: some", r":2: hints: 'some' is no 'none' or 'exact' or mapping with"),
        ("servers: 1\nhints: {sigma: 1}", r":2: hints: unknown key 'sigma': did you mean"),
        ("servers: 1\nhints: {log_sigma: -1}", r"log_sigma=-1.0\) are beyond sense: give"),
        ("servers: 1\nstart_hour: 24", r"start_hour: 24 is no hour"),
        ("servers: 1\nclusters: 33", r"clusters: 33 are out of range"),
        ("servers: 1\nnode_cpu: .nan", r"node_cpu: nan is out of range"),
        ("servers: [", r"mine.yaml:1: .*mend the YAML"),
        ("- 1", r"mine.yaml: holds no mapping"),
        ("", r"mine.yaml: holds no mapping"),
    ],
)
def test_bad_files_say_where_and_what(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=message) as error:
        load_scenario(file)
    assert "\n" not in str(error.value)


def test_hints_are_none_exact_or_wrong():
    rules = [
        load_scenario("recovering", hints=hints).rules()
        for hints in ("none", "exact", {"log_sigma": 0.5})
    ]
    told = [(each.hints, each.hint_error) for each in rules]
    assert told == [(NO_HINTS, 0.0), (HINTS, 0.0), (HINTS, 0.5)]


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="did you mean 'recovering'"):
        load_scenario("recovring")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario("nowhere/mine.yaml")
    with pytest.raises(ScenarioError, match="unknown key 'server'"):
        load_scenario("recovering", server=3)
    with pytest.raises(TraceError):
        load_scenario("recovering", trace="nowhere.csv").load_trace()


def test_a_trace_in_memory_is_to_be_written_to_a_file_first(tmp_path):
    trace = vm.synthetic_month(days=1)
    for make in (vm.load_scenario, vm.parallel_env):
        with pytest.raises(ScenarioError, match=r"vm\.write_trace\(trace"):
            make("recovering", trace=trace)
    vm.write_trace(trace, tmp_path / "mine.h5")
    played = vm.load_scenario("recovering", trace=tmp_path / "mine.h5").load_trace()
    assert played.fingerprint == trace.fingerprint


def test_oversize_vms_are_told_of_and_refused_where_they_would_wait(tmp_path):
    (tmp_path / "vms.csv").write_text("vmid,cpu,mem,at,lt\n0,1,2,0,9\n1,64,2,1,5\n2,99,2,1,5\n")
    trace = tmp_path / "vms.csv"
    scenario = load_scenario("recovering", trace=trace, turned_away="count", halve=None)
    with pytest.warns(
        OversizeWarning, match=r"2 VMs of trace 'vms' \(the first in row 1\).*--mix 64x2=0"
    ):
        sim = scenario.simulator()
    sim.reset({0: Episode(0)})
    while sim.running[0]:
        sim.step(sim.mask.argmax(axis=2))
    assert sim.metrics().turned_away == 2
    with pytest.raises(ScenarioError, match="would wait for ever"):
        load_scenario("waiting", trace=trace).simulator()


def test_tiny_has_the_optimum_that_it_claims():
    """Spread twos, pack threes: every request is placed; first fit and worst fit fail."""
    scenario = load_scenario("tiny")
    sim = scenario.simulator(batch=30)
    episodes = {
        b: episode_of(scenario, sim.trace, "train", seed=0, number=b) for b in range(sim.batch)
    }

    def play(choose):
        sim.reset(episodes)
        while sim.running.any():
            sim.step(np.array([[choose(b)] for b in range(sim.batch)]))
        return [sim.metrics(b).placed for b in range(sim.batch)]

    def best(b):
        cpu = sim.feed.total[sim.state.clock[b, 3], 0]
        free, mask = sim.free[b, 0, 0], sim.mask[b, 0]
        if mask[2]:
            return 2
        full = [int(free[0]), int(free[1])]
        spread = cpu == 2000 and 4000 in full and 6000 in full
        order = sorted((0, 1), key=lambda slot: -full[slot] if spread else full[slot])
        return next(slot for slot in order if mask[slot])

    assert min(play(best)) == max(play(best)) == 40
    assert max(play(lambda b: int(sim.mask[b, 0].argmax()))) < 40
    assert max(play(lambda b: 1 if sim.mask[b, 0, 1] else int(sim.mask[b, 0].argmax()))) < 40


@pytest.mark.parametrize("name", SCENARIOS)
def test_windows_share_no_row_and_hold_whole_episodes(name):
    scenario = load_scenario(name)
    trace = scenario.load_trace()
    rows = [rows_of(trace, window) for window in ("train", "validation", "test")]
    assert rows[0][0] == 0
    assert rows[2][1] == len(trace)
    assert [rows[0][1], rows[1][1]] == [rows[1][0], rows[2][0]]
    for window, (first, stop) in zip(("train", "validation", "test"), rows, strict=True):
        low, high = starts_of(scenario, trace, window)
        assert low == first
        if isinstance(scenario.horizon, int):
            assert high + scenario.horizon == stop
        drawn = [episode_of(scenario, trace, window, seed=1, number=i).first for i in range(200)]
        assert low <= min(drawn) < max(drawn) < high


def test_a_horizon_in_seconds_leaves_room_for_itself():
    scenario = load_scenario("recovering", horizon_seconds=86_400, turned_away="count")
    trace = scenario.load_trace()
    _, high = starts_of(scenario, trace, "validation")
    assert trace.arrival[69_999] - trace.arrival[high - 1] >= 86_400
    assert trace.arrival[69_999] - trace.arrival[high] < 86_400
    with pytest.raises(ScenarioError, match=r"give a shorter horizon \(--set horizon=10000\)"):
        starts_of(load_scenario("recovering", horizon=20_000), trace, "validation")
    with pytest.raises(ScenarioError, match="3 rows are too few for windows"):
        starts_of(scenario, trace.rows(0, 3), "validation")


def test_amounts_with_fractions_fit_what_is_as_large(tmp_path):
    """A VM of 8.2 GB is not above 8.2 GB and fits a node as large; one of 8.3 GB is halved."""
    (tmp_path / "vms.csv").write_text("vmid,cpu,mem,at,lt\n0,1,8.2,0,9\n1,1,8.3,1,9\n")
    fields = {"halve": {"resource": "memory", "above": 8.2}, "node_memory": 8.2}
    sim = load_scenario("recovering", trace=tmp_path / "vms.csv", **fields).simulator()
    assert sim.feed.halved.tolist() == [0, 1]
    sim.reset({0: Episode(0)})
    assert sim.mask[0, 0, :-1].all()


def test_the_hour_of_the_traces_start_can_be_given(tmp_path):
    (tmp_path / "vms.csv").write_text("vmid,cpu,mem,at,lt\n0,1,1,3600,9\n")
    scenario = load_scenario("recovering", trace=tmp_path / "vms.csv", start_hour=8)
    sim = scenario.simulator()
    sim.reset({0: Episode(0)})
    hour = sim.observation[0, 0, sim.layout.parts["time"]][0]
    assert hour == np.float32(9 / 24)
    assert scenario.load_trace() is scenario.load_trace()


def test_who_waits_must_fit_its_own_chain(tmp_path):
    (tmp_path / "vms.csv").write_text("vmid,cpu,mem,at,lt\n0,30,1,0,9\n")
    fields = {"trace": tmp_path / "vms.csv", "node_cpu": [20, 40, 40], "turned_away": "wait"}
    load_scenario("region-prices", **fields).simulator()
    with pytest.raises(ScenarioError, match="of a chain"):
        load_scenario("region-prices", tries=1, **fields).simulator()


def test_the_names_of_rewards_and_the_bounds_are_the_kernels():
    assert REWARDS == NAMES
    assert MOST_CLUSTERS == state.MOST_CLUSTERS
    assert NODES * MOST_SERVERS <= 1 << state.CLUSTER_SHIFT


def test_the_readme_of_the_shelf_names_every_field_and_its_examples_play(tmp_path):
    text = (catalog.shelf("scenarios") / "README.md").read_text()
    fields = {field.name for field in dataclasses.fields(Scenario)} - {"name", "description"}
    assert fields <= set(re.findall(r"`(\w+)`", text))
    for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        (tmp_path / "mine.yaml").write_text(example)
        load_scenario(tmp_path / "mine.yaml").simulator()
