"""How to load a data set, in every way there is: the last part of its card."""

from __future__ import annotations

MINARI = """With Minari, one dictionary of arrays an episode{stacked}:

```python
import minari

dataset = minari.load_dataset("{name}")
episode = dataset[0]
observations = episode.observations["observation"]
masks = episode.observations["action_mask"]
print(observations.shape, masks.shape, episode.actions.shape, episode.rewards.sum())
environment = dataset.recover_environment()
```"""

ARRAYS = """With an axis of agents, (T, K, ...), as offline multi-agent code expects:

```python
from vmagent_marl.episodes import load_episodes

episodes = load_episodes("{name}")
print(episodes[0].actions.shape, episodes[0].agent_rewards.shape, episodes[0].metrics)
```"""

AGENT = """One agent's part, with rewards of its own:

```python
from vmagent_marl.episodes.views.single_agent import agent_episodes

own = next(agent_episodes("{name}", "cluster_0"))
print(own["observations"].shape, own["rewards"].sum(), own["reached"].mean())
```"""

D3RLPY = """In d3rlpy, a transition for each decision that counted, with its mask:

```python
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_data import DecisionBuffer
from vmagent_marl.train.offline.data.decisions import read_decisions

buffer = DecisionBuffer(read_decisions("{name}", gamma=0.99))
features, mask = buffer.sample_transition_batch(32).observations
print(features.shape, mask.shape, buffer.transition_count)
```"""

TORCHRL = """In TorchRL:

```python
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer

from vmagent_marl.episodes.views.tensordicts import load_tensordict

data = load_tensordict("{name}")
replay = TensorDictReplayBuffer(storage=LazyTensorStorage(len(data)), batch_size=32)
replay.extend(data)
print(replay.sample()["cluster", "action_mask"].shape)
```"""


def how_to_load(name: str, agents: int) -> str:
    """The chapter on data set `name`."""
    ways = [MINARI, ARRAYS, *([AGENT] if agents > 1 else []), D3RLPY, TORCHRL]
    stacked = f", with {agents} agents stacked" if agents > 1 else ""
    told = [way.replace("{name}", name).replace("{stacked}", stacked) for way in ways]
    return "\n\n".join(["## How to load it", *told])
