"""What a data set holds, counted where it is recorded: block by block, then put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.sim import ObservationLayout

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 24  # of the histogram of returns
GRAINS = 16  # steps into which shares are rounded before situations are compared
PAIRS = 2**17  # unlike pairs that are told apart; of more, the least hashes say how many there are
ROWS = 4096  # answers that are hashed at once, which a cache holds


class Tally(NamedTuple):
    """Counts over E episodes, one after the other; of K agents' answers where it says so."""

    returns: NDArray[np.float64]  # (E,) of the team
    agent_returns: NDArray[np.float64]  # (E, K)
    lengths: NDArray[np.int64]  # (E,)
    terminated: NDArray[np.bool_]  # (E,)
    components: NDArray[np.int64]  # (E,)
    placed: NDArray[np.int64]  # (E,) VMs
    offered: NDArray[np.int64]  # (E,) requests
    legal: NDArray[np.int64]  # (E,) actions, of all answers
    reached: NDArray[np.int64]  # (E, K) answers that counted
    actions: NDArray[np.int64]  # (A,) how often each was taken by a reached agent
    joint: NDArray[np.uint64]  # hashes of all agents' unlike situations and actions, the least
    pairs: NDArray[np.uint64]  # of each agent's, one agent after the other, the least of each
    pairs_of: NDArray[np.int64]  # (K,) how many of them are whose


def tally(episodes: Sequence[Episode], layout: ObservationLayout) -> Tally:
    """Count some episodes, at least one."""
    taken = [episode.effective_action[episode.reached] for episode in episodes]
    hashes = [_hashed(episode, layout) for episode in episodes]
    reached = np.concatenate([episode.reached for episode in episodes])
    alone, together = np.concatenate(hashes), np.concatenate([_together(each) for each in hashes])
    own = [_least(alone[reached[:, k], k]) for k in range(layout.clusters)]
    return Tally(
        returns=np.array([episode.total for episode in episodes]),
        agent_returns=np.array([episode.agent_returns for episode in episodes]),
        lengths=np.array([len(episode) for episode in episodes]),
        terminated=np.array([episode.terminated for episode in episodes]),
        components=np.array([episode.component for episode in episodes]),
        placed=np.array([episode.metrics.placed for episode in episodes]),
        offered=np.array([episode.metrics.requests for episode in episodes]),
        legal=np.array([int(np.count_nonzero(episode.masks[:-1])) for episode in episodes]),
        reached=np.array([episode.reached.sum(axis=0) for episode in episodes]),
        actions=np.bincount(np.concatenate(taken), minlength=layout.actions),
        joint=_least(together),
        pairs=np.concatenate(own),
        pairs_of=np.array([len(each) for each in own]),
    )


def joined(first: Tally | None, second: Tally) -> Tally:
    """The tally of the episodes of both."""
    if first is None:
        return second
    lists = [np.concatenate(both) for both in zip(first[:-4], second[:-4], strict=True)]
    joint = _least(np.concatenate([first.joint, second.joint]))
    own = [_least(np.concatenate(both)) for both in zip(_split(first), _split(second), strict=True)]
    counts = np.array([len(each) for each in own])
    taken = first.actions + second.actions
    return Tally._make([*lists, taken, joint, np.concatenate(own), counts])


def statistics(tally: Tally, layout: ObservationLayout) -> dict[str, Any]:
    """Plain values for JSON.

    returns          mean, standard deviation, extremes, quantiles and histogram (of equal steps
                     from the least to the largest) of the team's return
    acceptance       VMs placed / requests offered
    mask_density     legal actions / actions, mean over all answers
    entropy          of the distribution of reached agents' effective actions, in nats
    coverage         unlike (situation, action) pairs / answers of reached agents; a situation is
                     the agent's own servers and the request, shares rounded to 1/16
    agent_coverage   the same of each agent's own answers
    joint_coverage   unlike pairs of all agents' situations and effective actions / transitions
    """
    returns, lengths = tally.returns, tally.lengths
    answers = int(lengths.sum()) * layout.clusters
    reached = int(tally.reached.sum())
    shares = tally.actions[tally.actions > 0] / reached
    each = zip(_split(tally), tally.reached.sum(axis=0).tolist(), strict=True)
    heights, _ = np.histogram(returns, BINS)
    components, played = np.unique(tally.components, return_counts=True)
    return {
        "episodes": len(returns),
        "transitions": int(lengths.sum()),
        "agents": layout.clusters,
        "length_mean": float(lengths.mean()),
        "length_max": int(lengths.max()),
        "terminated": int(tally.terminated.sum()),
        "return_mean": float(returns.mean()),
        "return_sd": float(returns.std(ddof=1)) if len(returns) > 1 else 0.0,
        "return_min": float(returns.min()),
        "return_max": float(returns.max()),
        "return_quantiles": {
            f"{share:g}": float(value)
            for share, value in zip(QUANTILES, np.quantile(returns, QUANTILES), strict=True)
        },
        "return_histogram": heights.tolist(),
        "agent_return_mean": tally.agent_returns.mean(axis=0).tolist(),
        "acceptance": int(tally.placed.sum()) / int(tally.offered.sum()),
        "reached": reached / answers,
        "mask_density": int(tally.legal.sum()) / (answers * layout.actions),
        "entropy": float(-(shares * np.log(shares)).sum()),
        "actions_taken": len(shares),
        "actions": layout.actions,
        "coverage": _distinct(_least(tally.pairs)) / reached,
        "agent_coverage": [_distinct(pairs) / max(1, answers) for pairs, answers in each],
        "joint_coverage": _distinct(tally.joint) / int(lengths.sum()),
        "component_episodes": dict(
            zip(map(str, components.tolist()), played.tolist(), strict=True)
        ),
    }


def _split(tally: Tally) -> list[NDArray[np.uint64]]:
    """The least hashes of each agent's unlike pairs."""
    return np.split(tally.pairs, np.cumsum(tally.pairs_of)[:-1])


def _hashed(episode: Episode, layout: ObservationLayout) -> NDArray[np.uint64]:
    """(T, K) 64 bits for each agent's situation and action, as if drawn for each unlike pair."""
    seen = layout.parts["request"].stop
    multipliers = _multipliers(seen + 1)
    own = episode.observations[:-1, :, :seen].reshape(-1, seen)
    hashed = episode.effective_action.reshape(-1).astype(np.uint64) * multipliers[-1]
    for first in range(0, len(own), ROWS):
        rows = slice(first, first + ROWS)
        hashed[rows] += np.rint(own[rows] * GRAINS).astype(np.uint64) @ multipliers[:-1]
    return _finished(hashed).reshape(-1, layout.clusters)


def _together(hashed: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(T,) 64 bits for what all agents' (T, K) come to."""
    return _finished(hashed @ _multipliers(hashed.shape[1]))


def _multipliers(number: int) -> NDArray[np.uint64]:
    """Odd ones at random, one an entry: sums modulo 2**64 tell rows of entries apart."""
    draws = np.random.default_rng(0).integers(0, 2**63, number, dtype=np.uint64)
    odd: NDArray[np.uint64] = draws * np.uint64(2) + np.uint64(1)
    return odd


def _finished(hashed: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Any hash as likely as any other, by splitmix64's finish (Steele, Lea & Flood 2014)."""
    hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    finished: NDArray[np.uint64] = hashed ^ (hashed >> np.uint64(31))
    return finished


def _least(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The `PAIRS` least of the unlike ones, in order."""
    ordered = np.sort(hashes)
    unlike = np.concatenate([ordered[:1], ordered[1:][ordered[1:] != ordered[:-1]]])
    return unlike[:PAIRS].copy()


def _distinct(least: NDArray[np.uint64]) -> float:
    """How many unlike hashes there were: counted, or beyond `PAIRS` told by how low the least are.

    Source: Bar-Yossef et al. 2002 (k minimum values); the relative error is 1 / sqrt(PAIRS), 0.3 %.
    """
    if len(least) < PAIRS:
        return float(len(least))
    return (PAIRS - 1) / (float(least[-1]) / 2.0**64)
