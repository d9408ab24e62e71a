"""What is remembered against the sums that a reader would do by hand."""

from __future__ import annotations

import torch

from vmagent_marl.train.online.joint_replay import JointReplay, Seen, Transitions

GAMMA = 0.5


def seen(number: int) -> Seen:
    """One environment of two agents whose features tell the row and the agent."""
    features = torch.tensor([[[float(number), 0.0], [float(number), 1.0]]])
    return Seen(features, torch.ones(1, 2, 3, dtype=torch.bool), torch.full((1, 1), float(number)))


def add(
    replay: JointReplay, number: int, decided: list[bool], reward: float, *, ended: bool = False
) -> None:
    replay.add(
        seen(number),
        torch.tensor([[number % 3, (number + 1) % 3]]),
        torch.tensor([decided]),
        torch.full((1, len(decided)), reward),
        torch.tensor([ended]),
    )


def rows(drawn: Transitions) -> dict[tuple[float, float], tuple[float, float, float]]:
    """By row and agent: what was earned, the discount, and the row that follows."""
    return {
        (float(features[0, 0]), float(features[0, 1])): (float(earned), float(discount), float(at))
        for features, earned, discount, at in zip(
            drawn.features, drawn.earned, drawn.discount, drawn.next_features[:, 0, 0], strict=True
        )
    }


def test_a_decision_lasts_until_the_same_agents_next() -> None:
    replay = JointReplay(10, seen(0), 2, GAMMA)
    add(replay, 0, [True, False], 1.0)
    add(replay, 1, [False, True], 2.0)
    add(replay, 2, [True, True], 4.0)
    add(replay, 3, [False, True], 8.0, ended=True)
    assert rows(replay.at(replay.known())) == {
        (0.0, 0.0): (1.0 + 0.5 * 2.0, 0.25, 2.0),
        (1.0, 1.0): (2.0, 0.5, 2.0),
        (2.0, 0.0): (4.0 + 0.5 * 8.0, 0.0, 3.0),
        (2.0, 1.0): (4.0, 0.5, 3.0),
        (3.0, 1.0): (8.0, 0.0, 3.0),
    }


def test_what_was_cut_is_followed_by_what_was_seen_last() -> None:
    replay = JointReplay(10, seen(0), 2, GAMMA)
    add(replay, 0, [True, False], 1.0)
    add(replay, 1, [False, True], 2.0)
    replay.cut(seen(77), torch.tensor([True]), torch.tensor([[True, True]]))
    add(replay, 2, [True, True], 4.0)
    assert rows(replay.at(replay.known())) == {
        (0.0, 0.0): (2.0, 0.25, 77.0),
        (1.0, 1.0): (2.0, 0.5, 77.0),
    }


def test_whom_the_last_request_is_not_offered_to_forgets_a_decision_that_was_cut() -> None:
    replay = JointReplay(10, seen(0), 2, GAMMA)
    add(replay, 0, [True, True], 1.0)
    add(replay, 1, [False, True], 2.0)
    replay.cut(seen(77), torch.tensor([True]), torch.tensor([[False, True]]))
    add(replay, 2, [True, True], 4.0)
    assert rows(replay.at(replay.known())) == {
        (0.0, 1.0): (1.0, 0.5, 1.0),
        (1.0, 1.0): (2.0, 0.5, 77.0),
    }


def test_a_row_that_another_environment_cut_changes_no_sum() -> None:
    replay = JointReplay(10, seen(0), 1, GAMMA)
    add(replay, 0, [True], 1.0)
    replay.cut(seen(1), torch.tensor([False]), torch.tensor([[True]]))
    add(replay, 1, [True], 2.0)
    drawn = replay.at(replay.known())
    assert rows(drawn) == {(0.0, 0.0): (1.0, 0.5, 1.0)}
    assert drawn.features.shape == (1, 2, 2)  # both agents, of a team
    assert drawn.action.tolist() == [[0, 1]]
    assert drawn.next_state.tolist() == [[1.0]]


def test_the_oldest_are_overwritten_and_what_follows_stays() -> None:
    replay = JointReplay(4, seen(0), 1, GAMMA)
    for number in range(11):
        add(replay, number, [True], float(number))
    assert rows(replay.at(replay.known())) == {
        (float(t), 0.0): (float(t), 0.5, t + 1.0) for t in (7, 8, 9)
    }


def test_a_decision_that_outlasts_the_memory_is_forgotten() -> None:
    replay = JointReplay(3, seen(0), 2, GAMMA)
    add(replay, 0, [True, True], 1.0)
    for number in range(1, 5):
        add(replay, number, [False, True], 1.0)
    add(replay, 5, [True, True], 1.0)
    assert all(agent == 1.0 for _, agent in rows(replay.at(replay.known())))
    add(replay, 6, [True, True], 1.0)
    assert rows(replay.at(replay.known()))[5.0, 0.0] == (1.0, 0.5, 6.0)


def test_a_state_goes_on_as_if_nothing_had_happened() -> None:
    first = JointReplay(4, seen(0), 2, GAMMA)
    for number in range(6):
        add(first, number, [True, number % 2 == 0], float(number))
    second = JointReplay(4, seen(0), 2, GAMMA)
    second.load_state_dict(first.state_dict())
    for replay in (first, second):
        add(replay, 6, [True, True], 6.0, ended=True)
    assert rows(second.at(second.known())) == rows(first.at(first.known()))
    assert torch.equal(second.known(), first.known())
