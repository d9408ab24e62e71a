"""Everything that a page may show, by short keys: a page names keys and never a path."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from vmagent_marl import catalog
from vmagent_marl.errors import (
    DatasetError,
    PolicyError,
    UnknownNameError,
    VmagentError,
    unknown_name,
)
from vmagent_marl.policies import Policy, make_policy, policy_names
from vmagent_marl.policies.registry import CHECKPOINT
from vmagent_marl.scenario import Scenario, load_scenario, scenario_from
from vmagent_marl.view.dashboard.discovery import Found
from vmagent_marl.view.dashboard.episode_file import SUFFIX, read_episode
from vmagent_marl.view.dashboard.limits import check_size
from vmagent_marl.view.dashboard.runs import Run, Score
from vmagent_marl.view.dashboard.stored import StoredEpisodes, open_stored
from vmagent_marl.view.dashboard.uploads import content_of, unpack_dataset
from vmagent_marl.view.replay import Replay, played, replayed
from vmagent_marl.windows import episode_of

REPLAYS = 4  # that are held in memory


@dataclass(frozen=True)
class Choices:
    """What is played where a scenario and a policy are named."""

    window: str = "validation"
    seed: int = 0
    number: int = 0  # of the episode
    trace: str | None = None  # in the place of every scenario's own


class Library:
    """The dashboard's things and the replays of those that were looked at last.

    Keys: `p0` a scenario and policy, `f0` an episode file, `d0` a data set and `d0.7` its episode
    7, `r0` a run's policy on its scenario, `r0.first-fit` a heuristic on the same episode.
    """

    def __init__(self, choices: Choices | None = None) -> None:
        self.choices = choices or Choices()
        self.datasets: dict[str, StoredEpisodes] = {}
        self.runs: dict[str, Run] = {}
        self.scores: list[Score] = []
        self.titles: dict[str, str] = {}  # of what can be watched at once
        self._makers: dict[str, Callable[[], Replay]] = {}
        self._held: OrderedDict[str, Replay] = OrderedDict()
        self._lock, self._locks = Lock(), dict[str, Lock]()
        self._uploads: tempfile.TemporaryDirectory[str] | None = None

    def add_found(self, found: Found) -> None:
        """What stands in a folder."""
        for dataset in found.datasets:
            self.add_dataset(dataset)
        for run in found.runs:
            self.runs[self._key("r", self.runs)] = run
        self.scores += found.scores
        for file in found.episodes:
            with suppress(DatasetError):  # one that is broken is no reason to show no other
                self.add_episode(file)

    def add_dataset(self, dataset: StoredEpisodes) -> str:
        """Its key: the one that it has, where it was named before."""
        for key, there in self.datasets.items():
            if there.folder.resolve() == dataset.folder.resolve():
                return key
        key = self._key("d", self.datasets)
        self.datasets[key] = dataset
        return key

    def add_episode(self, file: Path | bytes, name: str = "", *, strange: bool = False) -> str:
        """An episode file's key; raises `DatasetError` for one that is none."""
        recording = read_episode(file, name=name, trace=self.choices.trace, strange=strange)
        return self._watchable("f", recording.title, lambda: replayed(recording))

    def add_play(self, scenario: Scenario, policy: str, number: int | None = None) -> str:
        """A policy on a scenario, to be played when it is looked at; its key."""
        episode = self.choices.number if number is None else number
        player = _named(policy, Path(policy).parent.name or Path(policy).stem)
        title = f"{player.name} on {scenario.name}, {self.choices.window} episode {episode}"
        return self._watchable("p", title, partial(self._play, scenario, player, episode))

    def add_named(self, scenario: str, policy: str, number: int) -> str:
        """`add_play` by names that a page sent, which are no paths."""
        if scenario not in catalog.names("scenarios"):
            raise unknown_name("scenario", scenario, catalog.names("scenarios"))
        _check_heuristic(policy)
        fields = {} if self.choices.trace is None else {"trace": self.choices.trace}
        return self.add_play(load_scenario(scenario, **fields), policy, number)

    def upload(self, name: str, data_url: str) -> str:
        """The page of what was dropped: an episode's, or a data set's."""
        content = content_of(name, data_url)
        if name.endswith(SUFFIX):
            return f"/watch/{self.add_episode(content, name, strange=True)}"
        if self._uploads is None:
            self._uploads = tempfile.TemporaryDirectory(prefix="vmagent-view-")
        folder = Path(tempfile.mkdtemp(dir=self._uploads.name))
        try:
            dataset = open_stored(unpack_dataset(name, content, folder), strange=True)
            dataset.recording(0, self.choices.trace)  # a wrong one is told of here
        except VmagentError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return f"/data/{self.add_dataset(dataset)}"

    def replay(self, key: str) -> Replay:
        """What a key stands for, played; raises our errors for what cannot be."""
        make = self._maker(key)
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:  # of two who ask, one plays
            with self._lock:
                if key in self._held:
                    self._held.move_to_end(key)
                    return self._held[key]
            replay = make()
            with self._lock:
                self._held[key] = replay
                while len(self._held) > REPLAYS:
                    self._held.popitem(last=False)
            return replay

    def close(self) -> None:
        """Remove what was uploaded."""
        if self._uploads is not None:
            self._uploads.cleanup()

    def _maker(self, key: str) -> Callable[[], Replay]:
        if key in self._makers:
            return self._makers[key]
        source, _, which = key.partition(".")
        if source in self.datasets and which.isdecimal() and len(which) < 10:
            dataset = self.datasets[source]
            return lambda: replayed(dataset.recording(int(which), self.choices.trace))
        if source in self.runs:
            return partial(self._play_run, self.runs[source], which)
        raise UnknownNameError(f"nothing by the key {key[:80]!r} is here: go to the first page")

    def _play(self, scenario: Scenario, policy: Policy, number: int) -> Replay:
        check_size(scenario, f"scenario {scenario.name!r}")
        choices, trace = self.choices, scenario.load_trace()
        episode = episode_of(scenario, trace, choices.window, seed=choices.seed, number=number)
        return played(scenario, policy, episode)

    def _play_run(self, run: Run, heuristic: str) -> Replay:
        """The run's policy, or a heuristic, on the episode of the scenario that it learned on."""
        if run.policy is None:
            raise PolicyError(f"run {run.name!r} has no policy yet: let it train on")
        learned = _named(str(run.policy), run.name)
        scenario = scenario_from(_scenario_of(learned))
        if self.choices.trace is not None:
            scenario = scenario.replace(trace=self.choices.trace)
        if heuristic:
            _check_heuristic(heuristic)
            learned = make_policy(heuristic)
        return self._play(scenario, learned, self.choices.number)

    def _watchable(self, kind: str, title: str, make: Callable[[], Replay]) -> str:
        with self._lock:
            key = f"{kind}{len(self._makers)}"
            self._makers[key], self.titles[key] = make, title
        return key

    def _key(self, kind: str, there: dict[str, Any]) -> str:
        with self._lock:
            return f"{kind}{len(there)}"


def _named(policy: str, folder: str) -> Policy:
    """A policy; a checkpoint is called after its run and not by its whole path."""
    player: Any = make_policy(policy)
    named: Policy = replace(player, name=folder) if policy.endswith(CHECKPOINT) else player
    return named


def _check_heuristic(name: str) -> None:
    """Names of rules alone: a page is to load no file."""
    if name.endswith(CHECKPOINT) or "/" in name:
        raise unknown_name("policy", name, policy_names())


def _scenario_of(policy: Any) -> dict[str, Any]:
    """That a checkpoint was trained on; `policies.checkpoint` checks what stands in the file."""
    scenario: dict[str, Any] = policy.training.scenario
    return scenario
