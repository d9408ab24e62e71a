"""Playing policies on the same episodes of a window, or from given rows, to score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.episodes.recording.play import play
from vmagent_marl.errors import PolicyError, ScenarioError, SettingError
from vmagent_marl.evaluation.bounds import bound_of, lost_bound_of
from vmagent_marl.evaluation.scores import Result, Scores
from vmagent_marl.evaluation.starts import episodes_at, episodes_in
from vmagent_marl.policies import Heuristic, Policy, check_policy, make_policy, policy_names
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.trace import Trace
from vmagent_marl.windows import rows_of

ALL = "all"  # among the policies: every heuristic that goes with the scenario


def evaluate(
    scenario: Scenario | str | Path,
    policies: str | Policy | Sequence[str | Policy],
    *,
    windows: str = "validation",
    episodes: int = 20,
    seed: int = 0,
    starts: Sequence[int] | None = None,
    trace: Trace | str | Path | None = None,
    progress: bool = False,
) -> Scores:
    """Play policies on the same episodes and score them.

    >>> evaluate("recovering", ["first-fit", "server-best-fit"]).ranked
    ['server-best-fit', 'first-fit']

    The name `all` among the policies stands for every heuristic that goes with the scenario.
    `windows` names the rows of the trace from which episodes are drawn; `starts` gives rows of the
    whole trace instead, one episode each. `trace` stands in for the scenario's own. Where a window
    other than validation is played by `random` and several heuristics, these play as many
    validation episodes first: the best of them there is what the normalised score refers to.
    Raises `PolicyError` for policies that do not go with the scenario, before any is played.
    """
    played = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    if isinstance(trace, (str, Path)):
        played, trace = played.replace(trace=str(trace)), None
    rows = played.load_trace() if trace is None else trace
    players = _players(policies, played)
    if starts is None:
        drawn = episodes_in(played, rows, windows, episodes=episodes, seed=seed)
    elif len(starts):
        windows, drawn = "all", episodes_at(starts, rows, seed=seed)
    else:
        raise SettingError("starts: hold no row: give one or more, or none at all for a window")
    for policy in players:
        check_policy(policy, played)

    def results(entrants: list[Policy], drawn: list[Episode]) -> tuple[Result, ...]:
        return tuple(
            Result(
                policy=policy.name,
                is_heuristic=_is_heuristic(policy),
                played=tuple(play(played, policy, drawn, trace=rows, progress=progress)),
            )
            for policy in entrants
        )

    scores = Scores(
        scenario=played,
        trace=rows.name,
        fingerprint=rows.fingerprint,
        window=windows,
        rows=rows_of(rows, windows),
        seed=seed,
        results=results(players, drawn),
        given_starts=starts is not None,
        bound=bound_of(played, rows, drawn),
        lost_bound=lost_bound_of(played, rows, drawn),
    )
    rivals = [policy for policy in players if _is_heuristic(policy) and policy.name != RANDOM]
    if scores.given_starts or windows == "validation":
        return scores
    if RANDOM not in scores.policies or len(rivals) < 2:
        return scores
    try:
        drawn = episodes_in(played, rows, "validation", episodes=episodes, seed=seed)
    except ScenarioError:  # a short trace may have no room for one there
        return scores
    chosen = replace(scores, window="validation", results=results(rivals, drawn)).ranked[0]
    return replace(scores, chosen=chosen)


def _is_heuristic(policy: Policy) -> bool:
    """Whether it is a rule that clusters can follow by themselves, and without noise."""
    plain = isinstance(policy, Heuristic) and policy.epsilon == 0.0
    return plain and policy.needs != "everything"


def _players(policies: str | Policy | Sequence[str | Policy], scenario: Scenario) -> list[Policy]:
    several = policies if isinstance(policies, Sequence) else [policies]
    given = [policies] if isinstance(policies, str) else list(several)
    if ALL in given:
        place, others = given.index(ALL), [policy for policy in given if policy != ALL]
        named = [name for name in policy_names(scenario) if name not in others]
        given = [*others[:place], *named, *others[place:]]
    players = [make_policy(p) if isinstance(p, str) else p for p in given]
    for player in players:
        if not hasattr(player, "act"):
            raise PolicyError(f"{player!r} is no policy: give a name, a checkpoint or a `Policy`")
    names = [policy.name for policy in players]
    if not names:
        raise PolicyError("no policy to evaluate: name one or more")
    for name in names:
        if names.count(name) > 1:
            raise PolicyError(f"two policies are named {name!r}: give each a name of its own")
    return players
