"""Evolution strategies, for one cluster or many: a population of networks plays whole episodes.

Around the network's parameters a population is drawn, every member plays the same episodes to
their ends inside the simulator's kernel, and the parameters move to where the better members were
(Salimans, Ho, Chen, Sidor & Sutskever 2017, arXiv 1703.03864; natural evolution strategies:
Wierstra et al., JMLR 2014). There is no critic, no discount and no credit to assign to single
answers: what counts is what the whole region earned. So it learns what a team should do, and suits
a simulator that plays half a million requests a second by networks, and figures that a few thousand
answers change by little.

Differences from the paper:
- members come in pairs on either side (as there), and all play the same episodes, so that what the
  trace brings is the same for all of them;
- what acts is the running mean of the parameters over the last ten generations or so;
- Adam, whose rate falls; no weight decay, no noise on the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.network_kernel import weights_of
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.policies.population import play_out
from vmagent_marl.policies.server_network import ServerNetwork
from vmagent_marl.sim.threads import cpus
from vmagent_marl.train.online.learner import ActorSettings
from vmagent_marl.train.online.stage import Stage
from vmagent_marl.train.optimizing import adam, anneal

KEPT = 0.9  # of the mean of what was before, a generation


@dataclass(frozen=True, kw_only=True)
class ES(ActorSettings):
    """Evolution strategies on whole episodes (Salimans et al. 2017, arXiv 1703.03864)."""

    scenario: str = "region-prices"
    """Name on the shelf, or the path of a YAML file."""
    steps: int = 300_000_000
    """Requests decided, over all environments, rounded up to whole generations. A finished run can
    be made longer; what falls as it goes (rates) then follows the new length."""
    batch: int = 256
    """Environments that are played at once: every member's episodes of a generation."""
    population: int = 32
    """Members of a generation, in pairs."""
    sigma: float = 0.03
    """How far members are from the mean, the standard deviation of every parameter."""
    hidden: tuple[int, ...] = (16, 16)
    """Sizes of its hidden layers."""
    learning_rate: float = 0.01
    """Of Adam."""
    gamma: float = 1.0
    """Whole episodes count, undiscounted: 1."""
    validate_every: int = 15_000_000
    """Steps between validations."""
    validation_episodes: int = 64
    """Episodes that a validation plays; the best checkpoint is kept."""

    @property
    def siblings(self) -> int:
        """Environments that play the same episodes, see `Stage`."""
        return self.population


class ESLearner:
    """Evolution strategies at work."""

    network: ServerNetwork

    def __init__(self, settings: ES, stage: Stage) -> None:
        _check(settings)
        self.settings, self.stage = settings, stage
        self.steps = self.generation = 0
        shape = network_shape(stage.layout, hidden=settings.hidden, kind=settings.network)
        network = new_network(shape)
        assert isinstance(network, ServerNetwork)
        self.network = network
        self.centre = nn.Parameter(_vector(network))
        self.optimizer = adam([self.centre], settings.learning_rate)

    def advance(self) -> dict[str, float]:
        """A generation: draw it, let it play, and move."""
        settings = self.settings
        if self.generation == 0:  # what it was given or taught meanwhile
            self.centre.data = _vector(self.network)
        anneal(self.optimizer, settings.learning_rate, self.steps / settings.steps)
        sides = self._draw()
        fitness = self._play(self.centre.detach() + settings.sigma * torch.cat([sides, -sides]))
        weight = ranked(fitness)
        better = weight[: len(sides)] - weight[len(sides) :]
        self.centre.grad = -(torch.from_numpy(better).float() @ sides) / len(sides)
        self.optimizer.step()
        kept = KEPT if self.generation else 0.0
        mean = kept * _vector(self.network) + (1.0 - kept) * self.centre.detach()
        vector_to_parameters(mean, self.network.parameters())
        self.generation += 1
        return {"population_return": float(fitness.mean()), "spread": float(fitness.std())}

    def _draw(self) -> torch.Tensor:
        """(population / 2, parameters) standard normal, by the seed and the generation alone."""
        draw = np.random.default_rng((self.settings.seed, self.generation))
        shape = self.settings.population // 2, self.centre.numel()
        return torch.from_numpy(draw.standard_normal(shape, np.float32))

    def _play(self, members: torch.Tensor) -> NDArray[np.float64]:
        """(population,) each member's mean return over the generation's episodes."""
        stage, population = self.stage, self.settings.population
        weights = weights_of(self.network, members.numpy())
        who = np.arange(stage.simulator.batch) % population
        returns, decided = play_out(stage.simulator, weights, who, threads=cpus())
        self.steps += decided
        stage.credit(returns)
        stage.renew()
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
            "centre": self.centre.detach().clone(),
            "optimizer": self.optimizer.state_dict(),
            "stage": self.stage.state_dict(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """See `Learner`."""
        self.steps, self.generation = content["steps"], content["generation"]
        self.network.load_state_dict(content["network"])
        self.centre.data = content["centre"]
        self.optimizer.load_state_dict(content["optimizer"])
        self.stage.load_state_dict(content["stage"])


def ranked(fitness: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) ranks of the members, from -.5 for the worst to .5 for the best; equals share theirs.

    So that no outlier decides a generation (Wierstra et al. 2014).
    """
    ordered = np.sort(fitness)
    below = np.searchsorted(ordered, fitness, side="left")
    upto = np.searchsorted(ordered, fitness, side="right")
    ranks: NDArray[np.float64] = (below + upto - 1) / 2 / (len(fitness) - 1) - 0.5
    return ranks


def _vector(network: nn.Module) -> torch.Tensor:
    return parameters_to_vector(network.parameters()).detach().clone()


def _check(settings: ES) -> None:
    if settings.population < 2 or settings.population % 2:
        raise SettingError(f"population: {settings.population} is no number of pairs: give 32")
    if not settings.sigma > 0.0:
        raise SettingError(f"sigma: {settings.sigma} is not positive: give 0.03")
    if settings.network == "flat":
        raise SettingError("network: es has networks over servers play: give servers or ranked")
    if settings.gamma != 1.0:
        raise SettingError(f"gamma: {settings.gamma}: es counts whole episodes: leave it 1")
    if settings.reward != "team":
        raise SettingError(f"reward: {settings.reward}: es judges the team: leave it `team`")
