"""What was played, in a line above tables and figures."""

from __future__ import annotations

import json
from typing import Any

from vmagent_marl import catalog
from vmagent_marl.evaluation.scores import Scores
from vmagent_marl.scenario import Scenario, load_scenario

UNTOLD = ("description", "trace")  # of a scenario's fields: the trace is named elsewhere


def title_of(scores: Scores) -> str:
    """The scenario, what was changed of it, how many episodes, and which rows of the trace.

    >>> title_of(evaluate(load_scenario("recovering", servers=10), "first-fit"))
    'recovering (servers=10): 20 episodes, validation window, rows 50,000 to 69,999'
    """
    changes = changed_fields(scores.scenario).items()
    told = ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in changes
    )
    number = len(scores.results[0].played)
    return f"{scores.scenario.name}{told and f' ({told})'}: {number} episodes, {scores.where}"


def changed_fields(scenario: Scenario) -> dict[str, Any]:
    """Fields of a scenario in which it differs from the one of its name on the shelf.

    None are told of a scenario that is not on the shelf, nor the trace, which is named elsewhere.
    """
    if scenario.name not in catalog.names("scenarios"):
        return {}
    known = load_scenario(scenario.name).as_dict()
    return {
        key: value
        for key, value in scenario.as_dict().items()
        if key not in UNTOLD and value != known[key]
    }
