"""A warm start: the acting network is taught what a heuristic answers, before it learns by itself.

Behaviour cloning (Pomerleau 1989) of what the heuristic plays on the training window, by
cross-entropy over legal actions. Slots that look alike are one answer: which of them a heuristic
names is an accident of their numbers, so the loss is that of all of them together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies import Policy, check_policy, make_policy
from vmagent_marl.policies.networks import Network, NetworkShape, masked
from vmagent_marl.policies.server_network import slot_features
from vmagent_marl.progress import counter
from vmagent_marl.scenario import Scenario
from vmagent_marl.train.online.learner import ActorSettings, Settings
from vmagent_marl.train.online.stage import Stage

SEGMENT = 16  # requests an environment plays between passes over what was answered
MINIBATCH = 256  # answers an update
PASSES = 4  # over what was answered
LEARNING_RATE = 1e-3  # of Adam, whatever the learner's: some of them go by other units


def teacher_of(settings: Settings, scenario: Scenario) -> Policy | None:
    """Who is imitated; None for nobody. Raises what is wrong with its name or the scenario."""
    if not isinstance(settings, ActorSettings) or settings.imitate is None:
        return None
    if settings.imitate_steps < 1:
        raise SettingError(f"imitate_steps: {settings.imitate_steps} is too few: give 1 or more")
    teacher = make_policy(settings.imitate)
    check_policy(teacher, scenario)
    return teacher


def imitate(
    teacher: Policy, network: Network, settings: ActorSettings, stage: Stage, progress: bool
) -> None:
    """Teach a network on a stage of its own like `stage`; equal settings teach the same."""
    school = Stage(
        stage.scenario, batch=settings.batch, seed=settings.seed, device=str(stage.device)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(settings.seed)
    label, done = f"imitating {teacher.name}", 0
    with counter(label, settings.imitate_steps, unit="steps", shown=progress) as move:
        while done < settings.imitate_steps:
            features, mask, answers, decided = _answered(teacher, school)
            alike = same_slots(features, mask, answers, network.shape)
            agreed = 0
            orders = [torch.randperm(len(answers), generator=generator) for _ in range(PASSES)]
            for chosen in (part for order in orders for part in torch.split(order, MINIBATCH)):
                part = chosen.to(stage.device)
                logits = masked(network(features[part]), mask[part])
                optimizer.zero_grad()
                loss = imitation_loss(logits, alike[part])
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                agreed += int(alike[part].gather(1, logits.argmax(1)[:, None]).sum())
            done += decided
            move(decided, f"{label}, {agreed / max(PASSES * len(answers), 1):.1%} alike")


def imitation_loss(logits: Tensor, alike: Tensor) -> Tensor:
    """Mean of -log of the probability of any right action; masked logits, right ones (N, A)."""
    log_probs = torch.log_softmax(logits, 1)
    return -torch.logsumexp(masked(log_probs, alike), 1).mean()


def same_slots(features: Tensor, mask: Tensor, answers: Tensor, shape: NetworkShape) -> Tensor:
    """(N, A) bool: the answers (N,) and what is legal and looks like them, by the features."""
    servers = (shape.actions - 1) // 2
    own, _ = slot_features(features, servers, shape)
    passes = answers == 2 * servers
    chosen = answers.clamp(max=2 * servers - 1)[:, None, None].expand(-1, 1, own.shape[2])
    alike = (own == own.gather(1, chosen)).all(2) & ~passes[:, None]
    return torch.cat([alike, passes[:, None]], 1) & mask


def _answered(teacher: Policy, school: Stage) -> tuple[Tensor, Tensor, Tensor, int]:
    """Features (N, inputs), masks (N, A) and answers (N,) where there was a choice; requests."""
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    decided = 0
    for _ in range(SEGMENT):
        features, mask, alive = school.features(), school.mask(), school.alive
        actions, _ = teacher.act(school.simulator, school.simulator.keys())
        answers = torch.from_numpy(actions).to(school.device)
        choice = alive[:, None] & (mask.sum(2) > 1)
        rows.append((features[choice], mask[choice], answers[choice]))
        decided += int(alive.sum())
        school.step(answers)
        school.renew()
    features, mask, answers = (torch.cat(column) for column in zip(*rows, strict=True))
    return features, mask, answers, decided
