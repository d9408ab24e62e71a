"""Policies by the names that people type."""

from __future__ import annotations

from pathlib import Path

from vmagent_marl.errors import PolicyError, unknown_name
from vmagent_marl.policies.choosing import ACCEPT_ALWAYS
from vmagent_marl.policies.heuristics import (
    HINTED,
    NEEDS,
    PACKING,
    PASSING,
    Heuristic,
)
from vmagent_marl.policies.policy import Policy
from vmagent_marl.scenario import Scenario

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
    "central": "many clusters: who need open no server, then cheapest; sees all: a reference",
}
DEFAULT_PACKING = "server-best-fit"  # the strongest simple packer on the real month
CHECKPOINT = ".pt"


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


def make_policy(name: str, *, epsilon: float = 0.0) -> Policy:
    """A policy by name, or a trained one from a checkpoint's path.

    `first-fit` and the other packing rules take whatever fits; `cheapest-first` and the other
    passing rules pack by server best fit, or by another rule named behind a plus:
    `cheapest-first+best-fit`. `epsilon` mixes random legal actions in.
    """
    if name.endswith(CHECKPOINT):
        from vmagent_marl.policies.checkpoint import load_policy

        if epsilon:
            raise PolicyError(f"{name}: a checkpoint takes no epsilon: leave it out")
        return load_policy(Path(name))
    label = name if epsilon == 0.0 else f"{name}-epsilon-{epsilon:g}"
    passing, plus, packing = name.partition("+")
    if not plus and passing in PACKING:
        return Heuristic(label, PACKING[passing], ACCEPT_ALWAYS, epsilon)
    if passing not in PASSING:
        raise unknown_name("policy", name, policy_names())
    if plus and packing not in PACKING:
        raise unknown_name("packing rule", packing, PACKING)
    if packing == "random":
        raise PolicyError(f"{name}: random answers at random, to pass too: give it alone")
    return Heuristic(label, PACKING[packing or DEFAULT_PACKING], PASSING[passing], epsilon)


def check_policy(policy: Policy, scenario: Scenario) -> None:
    """Raise `PolicyError` where a policy needs what the scenario does not tell."""
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


def _goes_with(name: str, scenario: Scenario) -> bool:
    return NEEDS.get(PASSING[name]) != "summaries" or scenario.summaries != "none"
