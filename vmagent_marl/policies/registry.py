"""Policies by the names that people type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vmagent_marl import catalog
from vmagent_marl.errors import PolicyError, VmagentError, unknown_name
from vmagent_marl.policies.choosing import ACCEPT_ALWAYS
from vmagent_marl.policies.heuristics import (
    HINTED,
    NEEDS,
    PACKING,
    PASSING,
    Heuristic,
)
from vmagent_marl.policies.policy import Fitted, Policy
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.layout import layout_of

ABOUT = {
    "first-fit": "the lowest slot that fits",
    "best-fit": "the fitting slot with the least free share",
    "server-best-fit": "the fullest server that fits, on its emptier node",
    "worst-fit": "the fitting slot with the largest free share",
    "balance-fit": "the server whose nodes differ most, on its emptier node",
    "first-server-emptier-node": "the lowest server that fits, on its emptier node",
    "nilas": "lifetime hints: where it adds the least server-hours, then server best fit",
    "release-fit": "lifetime hints: the least server-hours added, then the soonest release",
    "dot-product": "the server least aligned with the demand, on its emptier node",
    "fragmentation-gradient": "FGD: where the least cpu becomes useless to the trace's types of VM",
    "slot-preserving": "where the fewest VMs of the trace's types lose their room",
    "first-fit-used-first": "first fit; an empty server only where none in use fits",
    "best-fit-used-first": "best fit; an empty server only where none in use fits",
    "worst-fit-used-first": "worst fit; an empty server only where none in use fits",
    "fragmentation-gradient-used-first": "FGD; an empty server only where none in use fits",
    "slot-preserving-used-first": "slot-preserving; an empty server only where none in use fits",
    "random": "any legal action, each as likely",
    "accept-always": "many clusters: the home takes whatever fits",
    "cheapest-first": "many clusters: pass to a cheaper cluster that published enough room",
    "pass-unless-cheapest-or-last": "many clusters: pass to any cheaper cluster",
    "pass-if-it-would-open-a-server": "many clusters: pass unless a server in use fits, or last",
    "least-loaded": "many clusters: pass to a cluster that published a larger free share",
    "central-by-summaries": "many clusters: what central would do, as far as summaries tell",
    "central": "many clusters: who need open no server, then cheapest; sees all: a reference",
}
DEFAULT_PACKING = "server-best-fit"  # the strongest simple packer on the real month
CHECKPOINT = ".pt"
SHELF = "checkpoints"


def policy_names(scenario: Scenario | None = None) -> list[str]:
    """Names of the heuristics; of those that go with a scenario, if one is given."""
    if scenario is None:
        return [*PACKING, *PASSING]
    # for many clusters the default packing goes by the name of accept-always: the same policy
    names = [name for name in PACKING if name != DEFAULT_PACKING or scenario.clusters == 1]
    if scenario.hints == "none":
        names = [name for name in names if PACKING[name] not in HINTED]
    if scenario.clusters > 1:
        names += [name for name in PASSING if _goes_with(name, scenario)]
    return names


def about_policy(name: str) -> str:
    """What a heuristic does, in one line."""
    return ABOUT[name]


def checkpoint_file(name: str) -> Path | None:
    """Where a trained policy is, by its path or its name on the shelf; None: it is no such."""
    if name.endswith(CHECKPOINT):
        return Path(name)
    known = name not in PACKING and name in catalog.names(SHELF)
    return catalog.find(SHELF, name) if known else None


def make_policy(name: str, *, epsilon: float = 0.0, sampled: bool = False) -> Policy:
    """A policy by name: a heuristic, or a trained one of the shelf or by its checkpoint's path.

    `first-fit` and the other packing rules take whatever fits; `cheapest-first` and the other
    passing rules pack by server best fit, or by another rule named behind a plus:
    `cheapest-first+best-fit`. `epsilon` mixes random legal actions in.
    `sampled` draws a trained policy's answers by their probabilities, where it learned such.
    """
    label = name if epsilon == 0.0 else f"{name}-epsilon-{epsilon:g}"
    file = checkpoint_file(name)
    if file is not None:
        from vmagent_marl.policies.checkpoint import load_policy

        label += "-sampled" if sampled else ""
        return replace(load_policy(file), name=label, epsilon=epsilon, sampled=sampled)
    if sampled:
        raise PolicyError(f"{name}: has no probabilities to draw by: leave `sampled` out")
    passing, plus, packing = name.partition("+")
    if not plus and passing in PACKING:
        return Heuristic(label, PACKING[passing], ACCEPT_ALWAYS, epsilon)
    if passing not in PASSING:
        raise _unknown(name)
    if plus and packing not in PACKING:
        raise unknown_name("packing rule", packing, PACKING)
    if packing == "random":
        raise PolicyError(f"{name}: random answers at random, to pass too: give it alone")
    return Heuristic(label, PACKING[packing or DEFAULT_PACKING], PASSING[passing], epsilon)


def check_policy(policy: Policy, scenario: Scenario) -> None:
    """Raise `PolicyError` where a policy does not go with what the scenario tells."""
    if policy.needs.startswith("summaries") and scenario.summaries == "none":
        raise PolicyError(
            f"policy {policy.name!r} reads summaries and scenario {scenario.name!r} publishes "
            "none: set `summaries: coarse`, or choose another policy"
        )
    hinted = isinstance(policy, Heuristic) and policy.packing in HINTED
    if (hinted or policy.needs.endswith("lifetimes")) and scenario.hints == "none":
        raise PolicyError(
            f"policy {policy.name!r} reads lifetime hints and scenario {scenario.name!r} gives "
            "none: set `hints: exact`, or choose another policy"
        )
    if isinstance(policy, Fitted):
        policy.check_layout(layout_of(scenario.rules()))


def _unknown(name: str) -> VmagentError:
    """Of a name that is a run's folder or a file without its ending, what was meant."""
    for meant in (Path(name) / f"policy{CHECKPOINT}", Path(f"{name}{CHECKPOINT}")):
        if meant.is_file():
            return PolicyError(f"{name}: is no policy's name: give its file, {meant}")
    return unknown_name("policy", name, [*policy_names(), *catalog.names(SHELF)])


def _goes_with(name: str, scenario: Scenario) -> bool:
    return NEEDS.get(PASSING[name]) != "summaries" or scenario.summaries != "none"
