"""Who decides: the `Policy` protocol, heuristics, and trained networks."""

from vmagent_marl.policies.heuristics import Heuristic
from vmagent_marl.policies.policy import Policy
from vmagent_marl.policies.registry import about_policy, check_policy, make_policy, policy_names

__all__ = ["Heuristic", "Policy", "about_policy", "check_policy", "make_policy", "policy_names"]
