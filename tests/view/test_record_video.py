"""Gymnasium's own recorder makes a video of an episode of ours."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo

import vmagent_marl  # noqa: F401  # registers the environments
from vmagent_marl.envs.game import FRAMES_PER_SECOND

STEPS = 30


def frames_of(video: Path) -> tuple[dict[str, object], np.ndarray]:
    """What ffmpeg tells of a video, and its frames (T, H, W, 3)."""
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    reader = ffmpeg.read_frames(str(video))
    about = next(reader)
    width, height = about["size"]
    pictures = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    return about, np.stack(pictures)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of ffmpeg's pipes
def test_an_episode_becomes_a_video(tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason='moviepy is absent: pip install ".[view]"')
    env = gymnasium.make("vmagent_marl/RegionPrices-v0", horizon=STEPS, render_mode="rgb_array")
    env = RecordVideo(env, str(tmp_path / "videos"), episode_trigger=lambda number: True)
    observation, _ = env.reset(seed=0)
    drawn, over = [env.unwrapped.render()], False
    while not over:
        action = observation["action_mask"].argmax(axis=1)
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        drawn.append(env.unwrapped.render())
    env.close()
    (video,) = (tmp_path / "videos").glob("*.mp4")
    about, frames = frames_of(video)
    assert about["fps"] == FRAMES_PER_SECOND
    assert frames.shape[1:] == drawn[0].shape
    assert len(frames) - len(drawn) in (0, 1)  # moviepy 1 rounds the duration up
    # the codec halves the resolution of colours: the pictures are the same but for their edges
    for shown, own in zip(frames, drawn, strict=False):
        assert np.abs(shown.astype(int) - own).mean() < 12
    first, last = np.abs(frames[[0, STEPS]].astype(int) - drawn[0]).mean(axis=(1, 2, 3))
    assert first < last
