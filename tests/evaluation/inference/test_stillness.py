"""Glosses are left out where nothing moves, whatever light and camera do, and kept where a hand does."""

import numpy as np
import pytest

from dataset.crop import crop_and_resize
from dataset.synthetic.recording import plan_recording, render_recording
from evaluation.ctm import CtmWord
from evaluation.inference.live import LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.stillness import Stillness, leave_out_still
from tests.helpers.colour_network import colour_recogniser

SIDE = 64


def make_scene() -> np.ndarray:
    """A studio with a dark person in it, (S, S) grey levels from 40 to 150."""
    scene = np.full((SIDE, SIDE), 150.0)
    scene[16:, 16:48] = 40
    return scene


def make_stream(moving, frames=100, noise=0.0, light=0.0) -> np.ndarray:
    """A person whose hand goes to and fro by 3 pixels a frame in the frames `moving`, (T, 3, S, S) uint8."""
    draw = np.random.default_rng(0)
    stream = []
    for number in range(frames):
        picture = make_scene()
        place = 20 + (3 * (number - min(moving, default=0)) % 20 if number in moving else 0)
        picture[40:48, place : place + 8] = 200
        picture = picture * (1 + light * np.sin(number / 8)) + draw.normal(0, noise, picture.shape)
        stream.append(np.repeat(np.clip(picture, 0, 255)[None], 3, axis=0).astype(np.uint8))
    return np.stack(stream)


def watch(stream: np.ndarray) -> Stillness:
    stillness = Stillness()
    for seen in stream:
        stillness.append(seen)
    return stillness


@pytest.mark.parametrize("noise, light", [(0, 0), (5, 0), (20, 0), (0, 0.2), (5, 0.2)])
def test_a_hand_that_moves_is_seen_through_noise_and_changing_light(noise, light):
    stillness = watch(make_stream(range(40, 60), noise=noise, light=light))
    assert not stillness.is_still(43, 57)
    assert stillness.is_still(10, 24)
    assert stillness.is_still(80, 94)


def test_what_moves_at_twice_the_frame_rate_moves_half_as_far_from_frame_to_frame():
    slow, quick = Stillness(0.04), Stillness(0.02)
    for number in range(20):
        scene = make_scene()
        scene[40:48, 20:28] += 16 * (number % 2)  # 4 of the 13 blocks that count: 5 levels of a contrast of 53
        seen = np.repeat(scene[None], 3, axis=0).astype(np.uint8)
        slow.append(seen)
        quick.append(seen)
    assert slow.is_still(1, 20)
    assert not quick.is_still(1, 20)


@pytest.mark.parametrize("noise", [0, 5, 20])
def test_who_signs_without_a_rest_is_never_still(noise):
    stillness = watch(make_stream(range(200), 200, noise=noise))
    assert not any(stillness.is_still(first, first + 14) for first in range(1, 186))


@pytest.mark.parametrize("level", [0, 77, 128])
def test_a_picture_of_one_colour_does_not_show_whether_anything_moves(level):
    flat = np.full((40, 3, SIDE, SIDE), level, np.uint8)
    assert not watch(flat).is_still(5, 20)


def test_the_first_frame_has_not_changed_from_nothing():
    assert watch(make_stream((), 1)).is_still(0, 1)
    assert not watch(make_stream(range(3), 3)).is_still(0, 3)


def test_no_other_frame_decides():
    stream = make_stream(range(40, 60), noise=5)
    changed = np.concatenate([stream[:9], make_stream(range(9), 9, noise=40), stream[18:]])
    for first in (0, 19, 45, 80):
        assert watch(changed).is_still(first, first + 9) == watch(stream).is_still(first, first + 9)


def test_what_is_forgotten_leaves_the_others_as_they_were():
    stillness = watch(make_stream(range(40, 60)))
    stillness.forget_before(38)
    assert len(stillness) == 62
    assert not stillness.is_still(43, 57)
    assert stillness.is_still(80, 94)


def test_glosses_are_judged_by_their_middle_and_by_the_frames_of_their_slots():
    stillness = watch(make_stream(range(40, 60)))
    words = (
        CtmWord("REST", 0.4, 0.4, 0.9),  # around frame 15
        CtmWord("SIGN", 1.68, 0.4, 0.9),  # around frame 47
        CtmWord("LONG", 0.0, 1.8, 0.9),  # frames 0 to 44, around 22
        CtmWord("SHORT", 2.0, 0.0, None),  # around frame 50
        CtmWord("END", 3.9, 0.5, 0.2),  # past the end
    )
    kept = leave_out_still(words, stillness, range(100), 0.04)
    assert kept == (words[1], words[3])
    halved = [number // 2 for number in range(200)]  # every frame fills two slots
    assert leave_out_still(words, stillness, halved, 0.02) == kept
    window = range(40, 100)  # begins with frame 40
    assert leave_out_still(words[:1], stillness, window, 0.04) == words[:1]
    assert leave_out_still(words[1:2], stillness, window, 0.04) == ()


@pytest.mark.parametrize("signer", [0, 3, 6])
def test_rendered_signers_are_still_at_rest_and_in_no_gloss(signer):
    sentences = (("MORGEN", "REGEN", "NORD", "KALT"), ("SONNE", "HEUTE", "WIND", "KOMMEN"))
    recording = plan_recording(sentences, (2.0, 2.0), signer, seed=1, kinds=["stand"])
    stillness = Stillness()
    for frame in render_recording(recording):
        stillness.append(np.moveaxis(crop_and_resize(frame, SIDE), -1, 0))
    centres = [(first + end) // 2 for first, end in recording.motion.strokes]
    assert not any(stillness.is_still(centre - 7, centre + 8) for centre in centres)
    for _, first, end in recording.rests:
        assert all(stillness.is_still(at, at + 10) for at in range(first + 4, end - 14, 5))


def play_walls(moving, **options) -> list[str]:
    """What is read live of a wall with a black door, red in 48 frames and then green, by a network that reads R and G.
    In the frames `moving` a ball flies before it."""
    live = LiveRecogniser(colour_recogniser(), LiveSettings(48, 8, 12), **options)
    for number in range(96):
        frame = np.zeros((SIDE, SIDE, 3), np.uint8)
        frame[:, :48, number // 48] = 250
        place = 20 + (3 * number % 20 if number in moving else 0)
        frame[40:48, place : place + 8] = 0, 0, 90
        live.feed(frame, number / 25)
        live.poll()
    live.finish()
    return [word.gloss for word in live.finals]


def test_a_live_stream_gives_no_glosses_where_nothing_moves_unless_asked():
    assert play_walls(range(0), drop_still=False) == ["R", "G"]
    assert play_walls(range(0)) == []
    assert play_walls(range(40)) == ["R"]
    assert play_walls(range(56, 96)) == ["G"]
    assert play_walls(range(96)) == ["R", "G"]
