"""The weights that a run begins with: a checkpoint's, where `init` names one."""

from __future__ import annotations

from vmagent_marl import catalog
from vmagent_marl.errors import PolicyError, unknown_name
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.policies.network_policy import LOGITS
from vmagent_marl.policies.networks import NetworkShape
from vmagent_marl.policies.registry import SHELF, checkpoint_file
from vmagent_marl.train.online.learner import Learner


def begin_from(file: str, learner: Learner, acts: bool) -> None:
    """Weights of a checkpoint into the learner's acting network, of logits if it `acts`.

    Values serve as logits: the best action is the same. Logits are no values. Raises `PolicyError`
    where they are asked to be, and for a network of another shape; `UnknownNameError` for a name
    that is on no shelf.
    """
    found = checkpoint_file(file)
    if found is None:
        raise unknown_name("checkpoint", file, catalog.names(SHELF))
    policy = load_policy(found)
    given, ours = policy.network, learner.network
    if policy.training.algorithm in LOGITS and not acts:
        raise PolicyError(
            f"init: {file}: {policy.training.algorithm} learned what to answer, and no values: "
            "give a checkpoint of a learner of values (discrete CQL, dqn, iql ...), or none"
        )
    try:
        if given.shape.types != ours.shape.types:
            raise RuntimeError  # tables for other types of VM
        ours.load_state_dict(given.state_dict())
    except RuntimeError:
        raise PolicyError(
            f"init: {file}: its network ({_told(given.shape)}) is not like this run's "
            f"({_told(ours.shape)}): give the same --network, --hidden, scenario and trace, or none"
        ) from None


def _told(shape: NetworkShape) -> str:
    sizes = f"hidden {' x '.join(map(str, shape.hidden))}"
    if shape.types:
        sizes = f"{len(shape.types)} types of VM"
    return f"{shape.kind}, {shape.inputs} inputs, {sizes}, {shape.actions} actions"
