"""`render_mode="human"`: over the last frame in a terminal, one below the other elsewhere."""

from __future__ import annotations

import copy
import gc
import re
import time
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

import vmagent_marl as vm
from vmagent_marl.envs.terminal import Screen, coloured

UP, HIDE, BACK = "\x1b[1A", "\x1b[?25l", "\x1b[?25h"
FRAME = "request 1: 1 vCPU, 1 GB | home cluster_1\n  cluster_0 ▁· ░░\n> cluster_1 █▅ ··"


def terminal(height: int = 25) -> tuple[Console, StringIO]:
    written = StringIO()
    console = Console(
        file=written, force_terminal=True, width=80, height=height, color_system="truecolor"
    )
    return console, written


def played(env: Any) -> None:
    observations, _ = env.reset(seed=0)
    while env.agents:
        plans = {agent: int(seen["action_mask"].argmax()) for agent, seen in observations.items()}
        observations, *_ = env.step(plans)


def test_frames_are_drawn_over_each_other_in_a_terminal() -> None:
    console, written = terminal()
    screen = Screen(1e6, console)
    screen.show(FRAME)
    first = written.getvalue()
    assert HIDE in first
    assert UP not in first
    screen.show(FRAME.replace("request 1", "request 2"))
    assert written.getvalue()[len(first) :].count(UP) == FRAME.count("\n")
    screen.close()
    assert written.getvalue().endswith(BACK)
    assert written.getvalue().count("request") == 3  # closing leaves the last one standing


def test_a_frame_that_is_higher_than_the_terminal_does_not_scroll() -> None:
    console, written = terminal(height=5)
    screen = Screen(1e6, console)
    for _ in range(3):
        screen.show("\n".join(f"line {i}" for i in range(50)))
    assert "line 4" in written.getvalue()
    assert "line 5" not in written.getvalue()
    screen.close()


def test_only_a_terminal_makes_frames_wait_their_turn() -> None:
    def seconds(console: Console) -> float:
        screen, began = Screen(20.0, console), time.monotonic()
        for _ in range(4):
            screen.show(FRAME)
        screen.close()
        return time.monotonic() - began

    assert seconds(terminal()[0]) >= 3 / 20
    assert seconds(Console(file=StringIO())) < 3 / 20


def test_who_forgets_to_close_finds_the_cursor() -> None:
    console, written = terminal()
    Screen(1e6, console).show(FRAME)
    gc.collect()
    assert written.getvalue().endswith(BACK)


def test_colours_tell_how_full_a_node_is() -> None:
    text = coloured(FRAME)
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert len({styles[cell] for cell in "▁█▅·"}) == 4
    assert styles["░"] == styles["·"]
    assert styles["> cluster_1"] == styles["home cluster_1"]
    darkness = [sum(map(int, re.findall(r"\d+", styles[cell])[:3])) for cell in "▁▅█"]
    assert darkness == sorted(darkness, reverse=True)


def test_a_pipe_gets_plain_frames(capsys: pytest.CaptureFixture[str]) -> None:
    env = vm.parallel_env("region-prices", horizon=3, render_mode="human")
    played(env)
    env.close()
    printed = capsys.readouterr().out
    assert printed.count("used share of a node") == 4
    assert printed.startswith("request 1: ")
    assert "no request, the episode has ended" in printed
    assert "\x1b" not in printed


def test_an_environment_that_shows_itself_can_be_copied_and_closed_twice() -> None:
    env = vm.parallel_env("tiny", render_mode="human")
    console, written = terminal()
    env.game._screen = Screen(1e6, console)
    env.reset(seed=0)
    other = copy.deepcopy(env)
    assert other.game._screen is None
    env.close()
    env.close()
    assert written.getvalue().endswith(BACK)
