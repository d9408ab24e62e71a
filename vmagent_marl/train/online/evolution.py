"""Evolution strategies, for one cluster or many: a population of networks plays whole episodes.

Around the network's parameters a population is drawn, every member plays the same episodes to
their ends inside the simulator's kernel, and the parameters move to where the better members were
(Salimans, Ho, Chen, Sidor & Sutskever 2017, arXiv 1703.03864; natural evolution strategies:
Wierstra et al., JMLR 2014). There is no critic, no discount and no credit to assign to single
answers: what counts is what the whole region earned. So it learns what a team should do, and suits
a simulator that plays hundreds of thousands of requests a second by networks, and figures that a
few thousand answers change by little.

What acts is the running mean of the parameters over the last fifty generations or so (Polyak &
Juditsky, SIAM J. Control Optim. 30, 1992): a generation's step is mostly noise.

Differences from the paper:
- all members play the same episodes (common random numbers), so that what the trace brings is the
  same for all of them;
- members that earn the same share their ranks: where all do, nothing moves;
- Adam's rate falls; no weight decay, and no noise on the answers.

From parameters that were only just drawn it finds what a first step can tell, and no more: give it
a heuristic to begin with (`imitate`), or a network that begins as one (`slots`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Kind
from vmagent_marl.policies.new_networks import network_shape, new_network, slot_value_shape
from vmagent_marl.policies.population import members_of, play_out
from vmagent_marl.sim.rules import FULL
from vmagent_marl.sim.threads import cpus
from vmagent_marl.train.online.learner import ActorSettings
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import adam, anneal

KEPT = 0.98  # of the mean of what was before, a generation
PERTURBATION = 1  # a key of draws, apart from those that place episodes


@dataclass(frozen=True, kw_only=True)
class ES(ActorSettings):
    """Evolution strategies on whole episodes (Salimans et al. 2017, arXiv 1703.03864)."""

    kinds: ClassVar[tuple[Kind, ...]] = ("servers", "numbered", "slots")

    scenario: str = "region-prices"
    """Name on the shelf, or the path of a YAML file."""
    steps: int = 300_000_000
    """Requests decided, over all environments, rounded up to whole generations. A finished run can
    be made longer; what falls as it goes (rates) then follows the new length."""
    batch: int = 256
    """Environments that are played at once, a multiple of the population: 256 and 32 are 8 episodes
    a member, the same for all."""
    population: int = 32
    """Members of a generation, in pairs on either side of the mean (antithetic)."""
    sigma: float = 0.03
    """How far members are from the mean, the standard deviation of every parameter."""
    network: Kind = "servers"
    """`servers`: the same for every server, of any number; `numbered`: that, and told the
    server's number, as first fit is; `slots`: linear, of the room that is left for each type of
    VM, for one cluster."""
    hidden: tuple[int, ...] = (16, 16)
    """Sizes of its hidden layers; `slots` has none."""
    learning_rate: float = 0.01
    """Of Adam."""
    floor: float | None = None
    """What an episode's return counts as at least, so that a few that are lost under any policy do
    not decide which members are better."""
    gamma: float = 1.0
    """Whole episodes count, undiscounted: 1."""
    validate_every: int = 15_000_000
    """Steps between validations."""
    validation_episodes: int = 64
    """Episodes that a validation plays; the best checkpoint is kept."""
    device: str = "cpu"
    """The population plays on the CPU, and what it learns by is small."""

    def check(self) -> None:
        """See `Settings`."""
        super().check()
        if self.population < 2 or self.population % 2:
            raise SettingError(
                f"population: {self.population} is odd or too few: its members come in pairs: "
                "give an even number, such as 32"
            )
        if self.batch % self.population:
            raise SettingError(
                f"batch: {self.batch} environments are no whole number of episodes for each of a "
                f"population of {self.population}: give a multiple, such as {8 * self.population}"
            )
        if not 0.0 < self.sigma < math.inf:
            raise SettingError(f"sigma: {self.sigma} is no deviation: give one above 0, e.g. 0.03")
        if self.floor is not None and not math.isfinite(self.floor):
            raise SettingError(f"floor: {self.floor} is no return: give a number, or leave it out")
        for name, only in (("gamma", 1.0), ("reward", "team"), ("reward_scale", 1.0)):
            if getattr(self, name) != only:
                raise SettingError(
                    f"{name}: {getattr(self, name)}: es judges members by what the team earns in "
                    f"whole episodes: leave it {only}"
                )
        if self.device != "cpu":  # a stage on a GPU would teach a network that is not there
            raise SettingError(f"device: {self.device}: es plays on the CPU: leave it cpu")

    @property
    def siblings(self) -> int:
        """Environments that play the same episodes, see `Stage`."""
        return self.population


class ESLearner:
    """Evolution strategies at work."""

    def __init__(self, settings: ES, stage: Stage) -> None:
        settings.check()
        if stage.layout.summaries == FULL:
            raise SettingError(
                "summaries: es reads no full ones: give --set summaries=coarse, or another --agent"
            )
        if settings.network == "slots":
            if stage.layout.clusters > 1:
                raise SettingError(
                    "network: slots: it chooses within one cluster and passes nothing on, and here "
                    f"are {stage.layout.clusters}: give --network servers or numbered"
                )
            shape = slot_value_shape(stage.simulator)
        else:
            shape = network_shape(stage.layout, hidden=settings.hidden, kind=settings.network)
        self.settings, self.stage = settings, stage
        self.steps = self.generation = 0
        self.network = new_network(shape)
        self.mean = nn.Parameter(_vector(self.network))  # of the population
        self.optimizer = adam([self.mean], settings.learning_rate)

    def advance(self) -> dict[str, float]:
        """A generation: draw it, let it play, and move."""
        settings = self.settings
        if self.generation == 0:  # what it was given or taught meanwhile
            self.mean.data = _vector(self.network)
        anneal(self.optimizer, settings.learning_rate, self.steps / settings.steps)
        perturbations = self._draw()
        both = torch.cat([perturbations, -perturbations])
        fitness = self._play(self.mean.detach() + settings.sigma * both)
        one, other = np.split(centred_ranks(fitness), 2)
        self.mean.grad = -(torch.from_numpy(one - other).float() @ perturbations) / len(one)
        self.optimizer.step()
        kept = KEPT if self.generation else 0.0
        _put(self.network, kept * _vector(self.network) + (1.0 - kept) * self.mean.detach())
        self.generation += 1
        return {"population_return": float(fitness.mean()), "spread": float(fitness.std())}

    def _draw(self) -> Tensor:
        """(population / 2, parameters) standard normal, by the seed and the generation alone."""
        draw = np.random.default_rng((self.settings.seed, self.generation, PERTURBATION))
        shape = self.settings.population // 2, self.mean.numel()
        return torch.from_numpy(draw.standard_normal(shape, np.float32))

    def _play(self, members: Tensor) -> NDArray[np.float64]:
        """(population,) each member's mean return over the episodes, none below the floor."""
        stage, population = self.stage, self.settings.population
        networks = members_of(self.network, members.numpy())
        member = np.arange(stage.simulator.batch) % population
        returns, decided = play_out(stage.simulator, networks, member, threads=cpus())
        self.steps += decided
        stage.credit(returns)
        stage.renew()
        if self.settings.floor is not None:
            returns = np.maximum(returns, self.settings.floor)
        fitness: NDArray[np.float64] = returns.reshape(-1, population).mean(axis=0)
        return fitness

    def modules(self) -> dict[str, nn.Module]:
        """See `Learner`."""
        return {"network": self.network}

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`."""
        return {
            "steps": self.steps,
            "generation": self.generation,
            "network": self.network.state_dict(),
            "mean": self.mean.detach().clone(),
            "optimizer": self.optimizer.state_dict(),
            "stage": self.stage.state_dict(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `Learner`."""
        self.steps, self.generation = content["steps"], content["generation"]
        self.network.load_state_dict(content["network"])
        self.mean.data = content["mean"].clone()
        self.optimizer.load_state_dict(content["optimizer"])
        self.stage.load_state_dict(content["stage"])


def centred_ranks(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) ranks of the members, from -.5 for the worst to .5 for the best; equals share theirs.

    So that no outlier decides a generation (fitness shaping, Salimans et al. 2017).
    """
    ordered = np.sort(fitness)
    below = np.searchsorted(ordered, fitness, side="left")
    upto = np.searchsorted(ordered, fitness, side="right")
    ranks: NDArray[np.float64] = (below + upto - 1) / 2 / (len(fitness) - 1) - 0.5
    return ranks


def _vector(network: nn.Module) -> Tensor:
    """A copy of all parameters."""
    return parameters_to_vector(network.parameters()).detach().clone()


def _put(network: nn.Module, vector: Tensor) -> None:
    """Copy into the parameters' own memory: views of one vector would be written differently."""
    with torch.no_grad():
        begin = 0
        for parameter in network.parameters():
            stop = begin + parameter.numel()
            parameter.copy_(vector[begin:stop].view_as(parameter))
            begin = stop
