"""Who decides: the `Policy` protocol, heuristics, and trained networks."""

from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.policies.policy import Policy
from vmagent_marl.policies.registry import check_policy, make_policy, policy_names

__all__ = ["Heuristic", "Policy", "check_policy", "make_policy", "policy_names"]
