"""Ours and TorchRL's, with the same weights on the same batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

torchrl = pytest.importorskip("torchrl", reason="TorchRL, a second implementation, is absent")

from tensordict import TensorDict  # noqa: E402
from tensordict.nn import TensorDictModule, TensorDictSequential  # noqa: E402
from torchrl.modules import MaskedCategorical, ProbabilisticActor, QValueModule  # noqa: E402
from torchrl.modules.models.multiagent import QMixer  # noqa: E402
from torchrl.objectives import ClipPPOLoss, QMixerLoss  # noqa: E402
from torchrl.objectives.value import GAE  # noqa: E402
from train.online.two_steps import TwoSteps  # noqa: E402

from vmagent_marl.policies.networks import NetworkShape  # noqa: E402
from vmagent_marl.train.mixers import MonotonicMixer  # noqa: E402
from vmagent_marl.train.online.advantages import Segment, advantages_of  # noqa: E402
from vmagent_marl.train.online.joint_replay import Transitions  # noqa: E402
from vmagent_marl.train.online.ppo import PPO, PPOLearner  # noqa: E402
from vmagent_marl.train.running import drawing_from  # noqa: E402
from vmagent_marl.train.team_values import TeamValues  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::FutureWarning")

N, AGENTS, STATE, WIDTH, FEATURES, ACTIONS = 32, 3, 7, 16, 6, 5
GAMMA = 0.9


def theirs_of(mixer: MonotonicMixer) -> Any:
    """TorchRL's mixer with the parameters of ours."""
    theirs = QMixer(
        state_shape=(STATE,), mixing_embed_dim=WIDTH, n_agents=AGENTS, device=torch.device("cpu")
    )
    pairs = [
        (theirs.hyper_w_1, mixer.first_weight),
        (theirs.hyper_b_1, mixer.first_bias),
        (theirs.hyper_w_final, mixer.last_weight),
        (theirs.V, mixer.last_bias),
    ]
    for behind, ahead in pairs:
        behind.load_state_dict(ahead.state_dict())
    return theirs


def gradients(module: nn.Module, part: str = "") -> list[Tensor]:
    """Of all parameters whose names hold this, in their order."""
    found = [each.grad for name, each in module.named_parameters() if part in name]
    assert found
    assert all(each is not None for each in found)
    return [each for each in found if each is not None]


def alike(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(
        torch.allclose(one, other, rtol=1e-5, atol=1e-5)
        for one, other in zip(ours, theirs, strict=True)
    )


def test_the_mixer_and_its_gradients() -> None:
    torch.manual_seed(0)
    ours = MonotonicMixer(AGENTS, STATE, WIDTH)
    theirs = theirs_of(ours)
    values = torch.randn(N, AGENTS)
    state = torch.randn(N, STATE)
    first, second = values.clone().requires_grad_(), values.clone().requires_grad_()
    mixed, wanted = ours(first, state), theirs(second[:, :, None], state).squeeze(1)
    assert torch.allclose(mixed, wanted, atol=1e-5)
    mixed.square().mean().backward()
    wanted.square().mean().backward()
    assert first.grad is not None
    assert second.grad is not None
    assert torch.allclose(first.grad, second.grad, rtol=1e-5, atol=1e-5)
    for behind, ahead in [
        (theirs.hyper_w_1, ours.first_weight),
        (theirs.hyper_b_1, ours.first_bias),
        (theirs.hyper_w_final, ours.last_weight),
        (theirs.V, ours.last_bias),
    ]:
        assert alike(gradients(ahead), gradients(behind))


def test_qmixs_loss_and_its_gradients() -> None:
    """Where both networks are the same double Q is plain Q, which is TorchRL's."""
    torch.manual_seed(0)
    shape = NetworkShape(observation=FEATURES, identities=0, actions=ACTIONS, hidden=(16,))
    mixer = MonotonicMixer(AGENTS, STATE, WIDTH)
    values = TeamValues(shape, mixer, duelling=False, gamma=GAMMA)
    terminated = torch.rand(N) < 0.3
    mask = torch.rand(2, N, AGENTS, ACTIONS) < 0.6
    mask[..., -1] = True
    action = mask[0].float().argmax(2)
    drawn = Transitions(
        features=torch.randn(N, AGENTS, FEATURES),
        mask=mask[0],
        action=action,
        state=torch.randn(N, STATE),
        earned=torch.randn(N),
        discount=GAMMA * (~terminated).float(),
        next_features=torch.randn(N, AGENTS, FEATURES),
        next_mask=mask[1],
        next_state=torch.randn(N, STATE),
    )
    after = drawn.next_features, drawn.next_mask, drawn.next_state
    goals = values.goals(values, drawn.earned, drawn.discount, *after)
    team = values(drawn.features, drawn.mask, drawn.action, drawn.state)
    loss = (team - goals).square().mean()
    loss.backward()

    theirs = theirs_of(mixer)
    network = TeamValues(shape, mixer, duelling=False, gamma=GAMMA).network
    network.load_state_dict(values.network.state_dict())
    values_of = TensorDictModule(
        network, in_keys=[("agents", "observation")], out_keys=[("agents", "action_value")]
    )
    choose = QValueModule(
        action_space="categorical",
        action_value_key=("agents", "action_value"),
        action_mask_key=("agents", "action_mask"),
        out_keys=[
            ("agents", "action"),
            ("agents", "action_value"),
            ("agents", "chosen_action_value"),
        ],
    )
    mixing = TensorDictModule(
        theirs,
        in_keys=[("agents", "chosen_action_value"), "state"],
        out_keys=["chosen_action_value"],
    )
    judge = QMixerLoss(
        TensorDictSequential(values_of, choose),
        mixing,
        delay_value=False,
        action_space="categorical",
    )
    judge.set_keys(
        action_value=("agents", "action_value"),
        local_value=("agents", "chosen_action_value"),
        global_value="chosen_action_value",
        action=("agents", "action"),
    )
    judge.make_value_estimator(gamma=GAMMA)
    batch = TensorDict(
        {
            "agents": {
                "observation": drawn.features,
                "action_mask": drawn.mask,
                "action": drawn.action,
            },
            "state": drawn.state,
            "next": {
                "agents": {"observation": drawn.next_features, "action_mask": drawn.next_mask},
                "state": drawn.next_state,
                "reward": drawn.earned[:, None],
                "done": terminated[:, None],
                "terminated": terminated[:, None],
            },
        },
        batch_size=[N],
    )
    wanted = judge(batch)["loss"]
    assert torch.allclose(loss, wanted, rtol=1e-5, atol=1e-5)
    wanted.backward()
    assert alike(gradients(values.network), gradients(judge, "local_value_network"))
    for part, module in (
        ("hyper_w_1", mixer.first_weight),
        ("hyper_b_1", mixer.first_bias),
        ("hyper_w_final", mixer.last_weight),
        (".V.", mixer.last_bias),
    ):
        assert alike(gradients(module), gradients(judge, part))


def segment_of(steps: int, batch: int) -> Segment:
    """Random play of one agent with ends of both kinds."""
    none = torch.zeros(steps, batch, 1)
    terminated = torch.rand(steps, batch) < 0.1
    ended = terminated | (torch.rand(steps, batch) < 0.1)
    value, later = torch.randn(steps + 1, batch, 1), torch.randn(steps, batch, 1)
    after = torch.where(ended[:, :, None], later, value[1:])
    return Segment(
        features=none,
        mask=none,
        state=none,
        action=none,
        log_prob=none,
        value=value[:-1],
        reward=torch.randn(steps, batch, 1),
        counts=none,
        alive=torch.ones(steps, batch, dtype=torch.bool),
        after=torch.where(terminated[:, :, None], 0.0, after),
        goes_on=~ended,
    )


def test_generalised_advantages() -> None:
    torch.manual_seed(0)
    played = segment_of(50, 8)
    terminated = (played.after == 0).transpose(0, 1)
    turned = [each.transpose(0, 1) for each in (played.value, played.after, played.reward)]
    value, after, reward = turned
    batch = TensorDict(
        {
            "state_value": value,
            "next": {
                "state_value": after,
                "reward": reward,
                "done": ~played.goes_on.transpose(0, 1)[:, :, None],
                "terminated": terminated,
            },
        },
        batch_size=[8, 50],
    )
    judge = GAE(gamma=0.97, lmbda=0.9, value_network=None)
    wanted = judge(batch)["advantage"].transpose(0, 1)
    assert terminated.any()
    assert torch.allclose(advantages_of(played, 0.97, 0.9), wanted, rtol=1e-5, atol=1e-5)


def test_ppos_loss_and_its_gradients() -> None:
    settings = PPO(
        batch=4, network="flat", hidden=(16,), entropy=0.01, value_weight=0.5, max_norm=1e9
    )
    stage: Any = TwoSteps(4)
    stage.layout.size, stage.layout.actions = FEATURES - 2, ACTIONS
    with drawing_from(0):
        learner = PPOLearner(settings, stage)
        other = PPOLearner(settings, stage)
        mask = torch.rand(N, ACTIONS) < 0.6
        mask[:, -1] = True
        part = {
            "features": torch.randn(N, FEATURES),
            "mask": mask,
            "action": mask.float().argmax(1),
            "log_prob": -2 * torch.rand(N),
            "advantage": torch.randn(N),
            "return": torch.randn(N),
            "counts": torch.ones(N),
        }
    other.network.load_state_dict(learner.network.state_dict())
    other.critic.network.load_state_dict(learner.critic.network.state_dict())
    actor = ProbabilisticActor(
        TensorDictModule(other.network, in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits", "mask"],
        distribution_class=MaskedCategorical,
        return_log_prob=True,
    )
    critic = TensorDictModule(
        other.critic.network, in_keys=["observation"], out_keys=["state_value"]
    )
    judge = ClipPPOLoss(
        actor,
        critic,
        clip_epsilon=0.2,
        entropy_coeff=0.01,
        critic_coeff=0.5,
        loss_critic_type="l2",
        normalize_advantage=False,
    )
    batch = TensorDict(
        {
            "observation": part["features"],
            "mask": part["mask"],
            "action": part["action"],
            "action_log_prob": part["log_prob"],
            "advantage": part["advantage"][:, None],
            "value_target": part["return"][:, None],
        },
        batch_size=[N],
    )
    theirs = judge(batch)
    told = {name: float(value.detach()) for name, value in theirs.items()}
    total = theirs["loss_objective"] + theirs["loss_entropy"] + theirs["loss_critic"]
    total.backward()
    figures = learner._update(part, torch.empty(N, 0), torch.zeros(N, dtype=torch.int64))
    assert figures["policy_loss"] == pytest.approx(told["loss_objective"], abs=1e-5)
    assert figures["entropy"] == pytest.approx(told["entropy"], abs=1e-5)
    assert 0.5 * figures["value_loss"] == pytest.approx(told["loss_critic"], abs=1e-5)
    assert 0.1 < told["clip_fraction"] < 0.9  # both sides of the clip are seen
    assert alike(gradients(learner.network), gradients(judge, "actor_network"))
    assert alike(gradients(learner.critic.network), gradients(judge, "critic_network"))
