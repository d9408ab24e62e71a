"""TorchRL: its PettingZoo wrapper on our two forms, and our native batch; the same episodes."""

import warnings

import pytest
from adapters.libraries import need
from adapters.replays import ENDS, Numbers, Replays, plans_for

need("torchrl")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of optional parts that are not installed
    import torch
    from tensordict.nn import TensorDictModule
    from torchrl.collectors import Collector
    from torchrl.envs import PettingZooWrapper, RewardSum, TransformedEnv
    from torchrl.envs.utils import check_env_specs
    from torchrl.modules import MaskedCategorical, ProbabilisticActor

import vmagent_marl as vm
from vmagent_marl.adapters.torchrl import ClusterTorchEnv

QUIET = pytest.mark.filterwarnings(
    "ignore:PettingZoo in TorchRL is tested:UserWarning",
    "ignore:.*transforms required by the policy:FutureWarning",
    "ignore:size_average and reduce args will be deprecated:UserWarning",
    "ignore::DeprecationWarning:torchrl.*",
)


def answers(numbers, mask):
    """(B, K) of `plans_for` to batched masks."""
    pairs = zip(numbers.number, numbers.request, mask.numpy(), strict=True)
    return torch.stack([torch.from_numpy(plans_for(*each)) for each in pairs])


@pytest.mark.parametrize(("name", "fields"), ENDS)
def test_native_episodes_are_ours(name, fields):
    env = ClusterTorchEnv(name, 3, return_state=True, **fields)
    env.set_seed(5)
    replays, numbers, ends = Replays(name, 5, **fields), Numbers(3), 0
    now = env.reset()
    for _ in range(200):
        plans = answers(numbers, now["cluster", "action_mask"])
        now["cluster", "action"] = plans
        step, following = env.step_and_maybe_reset(now)
        after = step["next"]
        for b in range(3):
            ours = replays.at(numbers.number[b], numbers.request[b])
            assert (now["cluster", "observation"][b].numpy() == ours.seen).all()
            assert (now["cluster", "action_mask"][b].numpy() == ours.mask).all()
            assert (now["state"][b].numpy() == ours.state).all()
            paid = torch.tensor(ours.reward, dtype=torch.float32)[:, None]
            assert (after["cluster", "reward"][b] == paid).all()
            assert after["terminated"][b].item() == ours.terminated
            assert after["truncated"][b].item() == ours.truncated
            assert after["done"][b].item() == (ours.terminated or ours.truncated)
            # the last one of an episode too: the next episode's first stands in `following`
            assert (after["cluster", "observation"][b].numpy() == ours.seen_after).all()
        ends += int(after["done"].sum())
        numbers.advance(after["done"][:, 0].numpy())
        now = following
    assert ends >= 6


@pytest.mark.parametrize("name", ["tiny", "region-prices"])
def test_native_specs_hold_and_rollouts_are_legal(name):
    env = ClusterTorchEnv(name, 4, horizon=20, return_state=True)
    check_env_specs(env, seed=3)
    rollout = env.rollout(60, break_when_any_done=False)
    mask, action = rollout["cluster", "action_mask"], rollout["cluster", "action"]
    assert mask.any(-1).all()
    assert mask.gather(-1, action[..., None]).all()
    assert rollout["next", "done"].sum() >= 8
    kept = rollout["cluster", "observation"].clone()
    env.rollout(20)
    assert (rollout["cluster", "observation"] == kept).all()


def test_native_seed_begins_the_course_anew():
    env = ClusterTorchEnv("region-prices", 2, seed=9)
    first, second = env.reset(), env.reset()
    key = ("cluster", "observation")
    assert (first[key] != second[key]).any()
    env.set_seed(9)
    assert (env.reset()[key] == first[key]).all()


def masked_actor(features, actions):
    """A policy whose choices are legal."""
    network = torch.nn.Linear(features, actions)
    module = TensorDictModule(network, [("cluster", "observation")], [("cluster", "logits")])
    return ProbabilisticActor(
        module,
        in_keys={"logits": ("cluster", "logits"), "mask": ("cluster", "action_mask")},
        out_keys=[("cluster", "action")],
        distribution_class=MaskedCategorical,
        return_log_prob=True,
        log_prob_key=("cluster", "action_log_prob"),
    )


@QUIET
def test_native_batch_under_a_collector_trains_a_masked_actor():
    """REINFORCE for a few steps: parameters move, returns are summed over episodes."""
    torch.manual_seed(0)
    env = TransformedEnv(
        ClusterTorchEnv("region-prices", 8, horizon=25),
        RewardSum(in_keys=[("cluster", "reward")], out_keys=[("cluster", "episode_reward")]),
    )
    actor = masked_actor(env.observation_spec["cluster", "observation"].shape[-1], 13)
    optimiser = torch.optim.Adam(actor.parameters(), lr=1e-2)
    before = [p.clone() for p in actor.parameters()]
    collector = Collector(env, actor, frames_per_batch=400, total_frames=1200)
    batches = 0
    for batch in collector:
        batches += 1
        chosen = actor.get_dist(batch).log_prob(batch["cluster", "action"])
        loss = -(chosen * batch["next", "cluster", "reward"][..., 0]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        ends = batch["next", "done"][..., 0]
        assert ends.sum() == 400 // 25
        assert (
            batch["cluster", "action_mask"].gather(-1, batch["cluster", "action"][..., None]).all()
        )
    collector.shutdown()
    assert batches == 3
    assert all(torch.isfinite(p).all() for p in actor.parameters())
    assert any((p != q).any() for p, q in zip(before, actor.parameters(), strict=True))


@QUIET
@pytest.mark.parametrize(("name", "fields"), ENDS)
def test_wrapped_parallel_form(name, fields):
    """The keys and episodes of the native batch; the wrapper itself spends episode 0."""
    ours = vm.parallel_env(name, mask_in="info", seed=5, **fields)
    env = PettingZooWrapper(ours, return_state=True)
    native = ClusterTorchEnv(name, 1, return_state=True, seed=5, **fields)
    replays = Replays(name, 5, **fields)
    now = env.reset()
    shapes = {key: value.shape for key, value in now.items(True, True)}
    for key, value in native.reset().items(True, True):
        assert shapes[key] == value.shape[1:]
    for at in range(20):
        expected = replays.at(1, at)
        assert (now["cluster", "observation"].numpy() == expected.seen).all()
        assert (now["cluster", "action_mask"].numpy() == expected.mask).all()
        now["cluster", "action"] = torch.from_numpy(plans_for(1, at, expected.mask))
        now = env.step(now)["next"]
        assert torch.allclose(
            now["cluster", "reward"][:, 0], torch.tensor(expected.reward, dtype=torch.float32)
        )
        assert now["terminated"].item() == expected.terminated
        assert now["truncated"].item() == expected.truncated
        if now["done"].item():
            break
    assert ours.infos_now()["cluster_0"]["action_mask"].any()  # it deletes from copies only


@QUIET
@pytest.mark.parametrize("form", ["parallel", "turns"])
def test_wrapped_rollouts_are_legal(form):
    if form == "parallel":
        env = PettingZooWrapper(vm.parallel_env("region-prices", horizon=30, mask_in="info"))
    else:
        env = PettingZooWrapper(vm.env("region-prices", horizon=30, mask_in="info"), use_mask=True)
    rollout = env.rollout(100, break_when_any_done=False)
    groups = [key for key in rollout.keys() if str(key).startswith("cluster")]  # noqa: SIM118  # no plain dictionary
    assert groups == ["cluster"] if form == "parallel" else len(groups) == 3
    for group in groups:
        mask, action = rollout[group, "action_mask"], rollout[group, "action"]
        assert mask.any(-1).all()
        assert mask.gather(-1, action[..., None]).all()
    assert rollout["next", "done"].any()
