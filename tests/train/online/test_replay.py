from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vmagent_marl.train.online.replay import Replay, Row

BATCH, ACTIONS, GAMMA = 3, 4, 0.9


@dataclass
class Told:
    """An episode as it was played: what each request earned, and how it ended."""

    rewards: list[float]
    end: str = ""


class Play:
    """Made-up episodes of three environments; features tell (environment, episode, request)."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.told: list[list[Told]] = [[Told([])] for _ in range(BATCH)]
        self.ended = np.zeros(BATCH, np.bool_)

    def row(self) -> Row:
        """The next one; whoever has ended waits for it, and begins anew behind it."""
        tag, alive = self.tags(), ~self.ended
        rewards = self.draw.normal(size=BATCH).astype(np.float32)
        ends = self.draw.choice(["", "terminated", "truncated"], BATCH, p=[0.7, 0.15, 0.15])
        was = [self.told[b][-1].end for b in range(BATCH)]
        for b in range(BATCH):
            if alive[b]:
                self.told[b][-1].rewards.append(float(rewards[b]))
                self.told[b][-1].end = ends[b]
            else:
                ends[b] = was[b]  # the simulator keeps telling it
                self.told[b].append(Told([]))
        self.ended = (ends != "") & alive
        return Row(
            features=torch.from_numpy(tag),
            mask=mask_of(tag),
            action=torch.from_numpy(tag.sum(1)).long() % ACTIONS,
            reward=torch.from_numpy(rewards * alive),
            alive=torch.from_numpy(alive),
            terminated=torch.from_numpy(ends == "terminated"),
            truncated=torch.from_numpy(ends == "truncated"),
        )

    def tags(self) -> NDArray[np.float32]:
        tags = [(b, len(told) - 1, len(told[-1].rewards)) for b, told in enumerate(self.told)]
        return np.array(tags, np.float32)


def mask_of(tags: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy((tags.sum(1)[:, None] + np.arange(ACTIONS)) % 3 != 0)


def replay_of(rows: int, **fields: Any) -> Replay:
    given = {"batch": BATCH, "features": 3, "actions": ACTIONS, "gamma": GAMMA, **fields}
    return Replay(rows=rows, **given)


@pytest.mark.parametrize("rows", [20, 200], ids=["overwritten", "with room"])
@pytest.mark.parametrize("n_step", [1, 3, 7])
@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_what_is_drawn_is_what_the_definition_says(n_step: int, alpha: float, rows: int) -> None:
    """Sums end with the episode, values stand for what is left, and nobody's play is mixed."""
    play, replay = Play(seed=n_step), replay_of(rows, n_step=n_step, alpha=alpha)
    generator = torch.Generator().manual_seed(1)
    seen: list[NDArray[np.float32]] = []
    alive: list[NDArray[np.bool_]] = []
    for _ in range(97):
        row = play.row()
        replay.add(row)
        seen.append(row.features.numpy())
        alive.append(row.alive.numpy())
    drawn = replay.draw(3000, generator)
    known = slice(max(len(seen) - rows, 0), len(seen) - n_step)
    there = np.concatenate(seen[known])[np.concatenate(alive[known])]
    assert {tuple(tag) for tag in drawn.features.tolist()} == {tuple(tag) for tag in there.tolist()}
    for i, (b, number, request) in enumerate(drawn.features.int().tolist()):
        told = play.told[b][number]
        paid = told.rewards[request : request + n_step]
        last = request + len(paid)
        over = told.end == "terminated" and last == len(told.rewards)
        total = sum(GAMMA**k * each for k, each in enumerate(paid))
        assert float(drawn.reward[i]) == pytest.approx(total, abs=1e-5)
        assert float(drawn.discount[i]) == pytest.approx(0.0 if over else GAMMA ** len(paid))
        assert drawn.after[i].tolist() == [b, number, last]
    assert torch.equal(drawn.mask, mask_of(drawn.features.numpy()))
    assert torch.equal(drawn.after_mask, mask_of(drawn.after.numpy()))
    assert torch.equal(drawn.action, drawn.features.sum(1).long() % ACTIONS)


def test_all_are_drawn_alike_without_priorities() -> None:
    play, replay = Play(seed=5), replay_of(40)
    for _ in range(55):
        replay.add(play.row())
    drawn = replay.draw(60_000, torch.Generator().manual_seed(0))
    replay.weigh(drawn.place, torch.rand(60_000) * 100)  # which changes nothing
    drawn = replay.draw(60_000, torch.Generator().manual_seed(1))
    _, counts = drawn.place.unique(return_counts=True)
    expected = 60_000 / len(counts)
    assert float(((counts - expected) ** 2 / expected).sum()) < 2 * len(counts)  # chi-squared
    assert torch.equal(drawn.weight, torch.ones(60_000))


def test_priorities_decide_how_often_and_weights_make_up_for_it() -> None:
    alpha, beta, play = 0.7, 0.5, Play(seed=6)
    replay = replay_of(30, alpha=alpha)
    generator = torch.Generator().manual_seed(2)
    for _ in range(40):
        replay.add(play.row())
    places = replay.draw(20_000, generator).place.unique()
    errors = torch.linspace(-3.0, 5.0, len(places))
    replay.weigh(places, errors)
    wanted = (errors.abs().double() + 1e-3) ** alpha
    wanted /= wanted.sum()
    drawn = replay.draw(200_000, generator, beta)
    found = torch.bincount(drawn.place, minlength=int(places.max()) + 1)[places] / 200_000
    assert torch.allclose(found.double(), wanted, atol=4 * float((wanted.max() / 200_000).sqrt()))
    weights = (wanted * len(places)) ** -beta
    of_place = dict(zip(places.tolist(), (weights / weights.max()).tolist(), strict=True))
    few = replay.draw(20_000, generator, beta)
    largest = max(of_place[place] for place in few.place.tolist())
    for place, weight in zip(few.place.tolist(), few.weight.tolist(), strict=True):
        assert weight == pytest.approx(of_place[place] / largest, rel=1e-5)
    replay.add(play.row())
    replay.add(play.row())
    newest = replay._held["priority"][(replay.written - 2) % 30]
    assert float(newest.max()) == pytest.approx(float((5.0 + 1e-3) ** alpha))


def test_what_went_through_a_file_goes_on_to_the_same_draws() -> None:
    play, replay = Play(seed=7), replay_of(25, alpha=0.5, n_step=2)
    for _ in range(10):
        replay.add(play.row())
    replay.weigh(replay.draw(5, torch.Generator().manual_seed(0)).place, torch.arange(5.0))
    content = replay.state_dict()
    assert len(content["held"]["features"]) == 10
    other = replay_of(25, alpha=0.5, n_step=2)
    other.load_state_dict(content)
    for _ in range(30):
        row = play.row()
        replay.add(row)
        other.add(row)
    for left, right in zip(
        *(each.draw(64, torch.Generator().manual_seed(3)) for each in (replay, other)), strict=True
    ):
        assert torch.equal(left, right)
    assert float(content["held"]["features"].sum()) != float(replay._held["features"].sum())


def test_nothing_can_be_drawn_before_what_comes_of_it_is_known() -> None:
    play, replay = Play(seed=8), replay_of(25, n_step=3)
    for number in range(5):
        assert replay.ready == (number > 3)
        replay.add(play.row())
    with pytest.raises(ValueError, match="3 rows hold nothing"):
        replay_of(3, n_step=3)
