"""The benchmark of heat maps measures what it says."""

import sys

import numpy as np
import pytest

import dataset.synthetic.render
from benchmarks import heat
from dataset.synthetic.generate import plan_corpus, render_clip
from evaluation.heat.request import METHODS
from modules.stages import STAGES


@pytest.mark.parametrize("number", [0, 4])
def test_the_boxes_hold_the_hands_and_little_else(number, monkeypatch):
    clip = plan_corpus(12, (6, 0, 0), 3)[number]
    boxes, whole = heat.find_hand_boxes(clip, 3), list(render_clip(clip, 3))
    monkeypatch.setattr(dataset.synthetic.render, "draw_hand", lambda *_: None)
    without = list(render_clip(clip, 3))
    assert len(boxes) == len(whole)
    for pair, frame, rest in list(zip(boxes, whole, without, strict=True))[::5]:
        changed = np.abs(frame.astype(int) - rest).max(axis=2) > 12  # (260, 210)
        near = np.zeros_like(changed)
        for left, top, right, bottom in pair:
            near[max(int(top) - 2, 0) : int(bottom) + 4, max(int(left) - 2, 0) : int(right) + 4] = True
        assert not (changed & ~near).any()
        assert changed.sum() > 0.2 * near.sum()


def test_boxes_become_parts_of_pixels():
    boxes = np.array([[[0.5, 1.0, 2.0, 2.25], [-9.0, -9.0, 1.0, 0.5]]])  # the second is cut off by the picture
    expected = np.zeros((4, 4))
    expected[1, 0], expected[1, 1], expected[2, 0], expected[2, 1], expected[0, 0] = 0.5, 1, 0.125, 0.25, 0.5
    np.testing.assert_allclose(heat.rasterise_boxes(boxes, 4)[0], expected)


def test_shares_of_heat():
    hands = np.zeros((2, 8, 8))
    hands[:, :, :4] = 1
    assert heat.measure_share(np.ones((2, 2, 2)), hands) == pytest.approx(0.5)
    assert heat.measure_share(np.zeros((2, 2, 2)), hands) == 0
    assert heat.measure_share(hands, hands) == heat.measure_best_share(hands, (8, 8)) == 1
    assert 0.5 < heat.measure_best_share(hands, (2, 2)) < 1  # enlarging blurs it
    assert heat.measure_best_share(hands, (1, 1)) == pytest.approx(0.5)


def test_the_table(random_checkpoint, monkeypatch, capsys):
    words = f"heat --model_path {random_checkpoint} --device cpu --clips 1 --random 1 --glosses 6 --train 8 --dev 3"
    monkeypatch.setattr(sys, "argv", [*words.split(), "--test", "3", "--seed", "5"])
    heat.main(heat.parse_args())
    lines, layers = capsys.readouterr().out.splitlines(), (*STAGES, "stf1", "stf2", "stf3")
    assert [line.split()[:2] for line in lines[1:-1]] == [[layer, method] for layer in layers for method in METHODS]
    assert lines[-1].startswith("1 clips; the boxes are ")
