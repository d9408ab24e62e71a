"""Trained policies in files: plain tensors and plain values, nothing that runs when it is read."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vmagent_marl.errors import PolicyError
from vmagent_marl.files import replacing
from vmagent_marl.policies.network_policy import NetworkPolicy, Training

try:
    import torch

    from vmagent_marl.policies.networks import Network, NetworkShape
    from vmagent_marl.policies.new_networks import new_network
except ModuleNotFoundError as error:
    raise PolicyError(
        f'trained policies need torch ({error}): in the checkout, pip install ".[torch]"'
    ) from None

FORMAT = "vmagent_marl policy 1"
CHECKPOINTS = "checkpoints"  # folder of a run, with one of each validation, by its step


def save_policy(path: Path, network: Network, training: Training) -> None:
    """Write a checkpoint; for equal ones equal bytes, whole or not at all."""
    _write(path, policy_bytes(network, training))


def policy_bytes(network: Network, training: Training) -> bytes:
    """What `save_policy` writes."""
    return _bytes_of(
        {
            "format": FORMAT,
            "network": network.shape.as_dict(),
            "training": {**asdict(training), "dataset": list(training.dataset)},
            "weights": network.state_dict(),
        }
    )


def load_policy(path: Path) -> NetworkPolicy:
    """A policy named by its path; `PolicyError` for a file that is no checkpoint, or is torn."""
    content = load_tensors(path)
    if content.get("format") != FORMAT:
        raise PolicyError(f"{path}: is no {FORMAT!r}: give a policy.pt that a learner here wrote")
    try:
        with torch.random.fork_rng(devices=[]):  # the parameters are drawn before they are loaded
            network = new_network(NetworkShape.of(content["network"]))
        network.load_state_dict(content["weights"])
        plain = content["training"]
        training = Training(**{**plain, "dataset": tuple(plain["dataset"])})
        fits = (network.shape.observation, network.shape.actions) == (
            training.layout.size,
            training.layout.actions,
        )
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise PolicyError(f"{path}: is a broken checkpoint ({reason}): train it anew") from None
    if not fits:
        raise PolicyError(f"{path}: its network does not fit its layout: train it anew")
    return NetworkPolicy(str(path), network.eval(), training)


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; `VmagentError` where that fails, and the old file stays."""
    _write(path, _bytes_of(content))


def _bytes_of(content: dict[str, Any]) -> bytes:
    whole = io.BytesIO()  # torch names the file in what it writes, and hides the system's errors
    torch.save(content, whole)
    return whole.getvalue()


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def load_tensors(path: Path) -> dict[str, Any]:
    """What `save_tensors` wrote; `PolicyError` for anything else. Nothing in the file runs."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise PolicyError(f"{path}: is not there: give the policy.pt of a run") from None
    except Exception:  # torch's reader raises whatever noise leads it to, IndexError included
        content = None  # and its own messages advise to switch its safety off
    if not isinstance(content, dict):
        raise PolicyError(f"{path}: is no checkpoint, or a torn one: give a run's policy.pt")
    return content
