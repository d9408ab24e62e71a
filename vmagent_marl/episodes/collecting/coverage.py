"""What a data set holds, counted where it is recorded: block by block, then put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.episodes.recording.episode import Episode
from vmagent_marl.sim import ObservationLayout

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
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
    reached: NDArray[np.int64]  # (E,) answers that counted
    actions: NDArray[np.int64]  # (A,) how often each was taken by a reached agent
    pairs: NDArray[np.uint64]  # hashes of unlike (situation, action) pairs, the `PAIRS` least


def tally(episodes: Sequence[Episode], layout: ObservationLayout) -> Tally:
    """Count some episodes, at least one."""
    taken = [episode.effective_action[episode.reached] for episode in episodes]
    hashes = [_hashed(*pair, layout) for pair in zip(episodes, taken, strict=True)]
    return Tally(
        returns=np.array([episode.total for episode in episodes]),
        agent_returns=np.array([episode.agent_returns for episode in episodes]),
        lengths=np.array([len(episode) for episode in episodes]),
        terminated=np.array([episode.terminated for episode in episodes]),
        components=np.array([episode.component for episode in episodes]),
        placed=np.array([episode.metrics.placed for episode in episodes]),
        offered=np.array([episode.metrics.requests for episode in episodes]),
        legal=np.array([int(np.count_nonzero(episode.masks[:-1])) for episode in episodes]),
        reached=np.array([len(each) for each in taken]),
        actions=np.bincount(np.concatenate(taken), minlength=layout.actions),
        pairs=_least(np.concatenate(hashes)),
    )


def joined(first: Tally | None, second: Tally) -> Tally:
    """The tally of the episodes of both."""
    if first is None:
        return second
    lists = [np.concatenate(both) for both in zip(first[:-2], second[:-2], strict=True)]
    pairs = _least(np.concatenate([first.pairs, second.pairs]))
    return Tally._make([*lists, first.actions + second.actions, pairs])


def statistics(tally: Tally, layout: ObservationLayout) -> dict[str, Any]:
    """Plain values for JSON.

    returns       mean, standard deviation, extremes and quantiles of the team's return
    acceptance    VMs placed / requests offered
    mask_density  legal actions / actions, mean over all answers
    entropy       of the distribution of reached agents' effective actions, in nats
    coverage      unlike (situation, action) pairs / answers of reached agents; a situation is the
                  agent's own servers and the request, shares rounded to 1/16
    """
    returns, lengths = tally.returns, tally.lengths
    answers = int(lengths.sum()) * layout.clusters
    reached = int(tally.reached.sum())
    shares = tally.actions[tally.actions > 0] / reached
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
        "agent_return_mean": tally.agent_returns.mean(axis=0).tolist(),
        "acceptance": int(tally.placed.sum()) / int(tally.offered.sum()),
        "reached": reached / answers,
        "mask_density": int(tally.legal.sum()) / (answers * layout.actions),
        "entropy": float(-(shares * np.log(shares)).sum()),
        "actions_taken": len(shares),
        "actions": layout.actions,
        "coverage": _distinct(tally.pairs) / reached,
        "component_episodes": dict(
            zip(map(str, components.tolist()), played.tolist(), strict=True)
        ),
    }


def _hashed(
    episode: Episode, taken: NDArray[np.int64], layout: ObservationLayout
) -> NDArray[np.uint64]:
    """64 bits for each reached agent's situation and action, as if drawn for each unlike pair."""
    seen = layout.parts["request"].stop
    # a random odd multiplier an entry: sums modulo 2**64 tell situations apart
    draws = np.random.default_rng(0).integers(0, 2**63, seen + 1, dtype=np.uint64)
    multipliers = draws * np.uint64(2) + np.uint64(1)
    own = episode.observations[:-1, :, :seen]
    own = own.reshape(-1, seen)[episode.reached.reshape(-1)]
    hashed = taken.astype(np.uint64) * multipliers[-1]
    for first in range(0, len(own), ROWS):
        rows = slice(first, first + ROWS)
        hashed[rows] += np.rint(own[rows] * GRAINS).astype(np.uint64) @ multipliers[:-1]
    # splitmix64's finish (Steele, Lea & Flood 2014) makes any hash as likely as any other
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
