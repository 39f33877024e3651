"""`python -m benchmarks.live`, on a small network and short clips."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import live
from benchmarks.live_endurance import format_endurance, read_memory
from benchmarks.live_rates import format_rates
from benchmarks.live_recording import PlayedVideo, Shown, Signed, format_delays, load_recording, pair_right, play
from dataset.frames import read_frames
from dataset.manifest import load_manifest
from dataset.rendered import BOUNDARIES
from engine.export_parity import make_random_clip
from evaluation.ctm import CtmWord
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.recogniser import Recogniser
from utils.errors import InputError
from utils.plain_json import read_json

SIGNED = (Signed("NORD", 0.2, 0.6), Signed("REGEN", 0.8, 1.2), Signed("WARM", 1.6, 2.0))


@pytest.fixture(scope="module")
def recogniser(random_checkpoint) -> Recogniser:
    return Recogniser.from_checkpoint(random_checkpoint, "cpu")


@pytest.fixture(scope="module")
def recording(prepared) -> PlayedVideo:
    return load_recording(load_manifest(prepared, "phoenix2014", "test"), prepared, 2)


def shown(gloss, start, end, moment):
    return Shown(CtmWord(gloss, start, end - start, 0.9), moment)


def test_a_recording_is_the_clips_with_what_was_signed_in_them(prepared, recording, tmp_path):
    manifest = load_manifest(prepared, "phoenix2014", "test")
    one, two = (read_frames(manifest.clip_folder(clip)) for clip in manifest.clips[:2])
    assert recording.clips == ((0, len(one)), (len(one), len(one) + len(two)))
    assert np.array_equal(np.stack(list(recording.frames(range(recording.num_frames)))), np.concatenate([one, two]))
    assert [of.gloss for of in recording.signed] == [gloss for clip in manifest.clips[:2] for gloss in clip.glosses]
    gloss, first, end = read_json(prepared / BOUNDARIES)["clips"]["test"][manifest.clips[1].id][0]
    second = recording.signed[len(manifest.clips[0].glosses)]
    assert second == Signed(gloss, (len(one) + first) / 25, (len(one) + end) / 25)
    assert recording.round == recording.times[-1] == pytest.approx((len(one) + len(two)) / 25)
    longer = recording.repeat(3 * recording.round)
    assert longer.num_frames == 3 * recording.num_frames
    trimmed = recording.trim(8)
    assert trimmed.num_frames == len(trimmed.pictures) == recording.num_frames // 8 * 8
    (again,) = longer.frames([2 * recording.num_frames + 1])
    assert np.array_equal(again, one[1])
    with pytest.raises(InputError, match="delays are measured on the built-in corpus"):
        load_recording(manifest, tmp_path, 2)


def test_delays_by_hand():
    read = [
        shown("NORD", 0.2, 0.5, 1.5),  # 0.9 after its end, 1.0 after the end as read
        shown("SUED", 0.8, 1.2, 2.0),  # wrong
        shown("WARM", 1.6, 2.3, 3.1),  # 1.1, 0.8
    ]
    pairs = pair_right(SIGNED, read)
    assert [(truth.gloss, of.moment) for truth, of in pairs] == [("NORD", 1.5), ("WARM", 3.1)]
    assert format_delays(pairs) == ["2", "1.00", "1.09", "0.90", "0.99"]  # 95 % of the way
    assert format_delays([]) == ["0", "-", "-", "-", "-"]


def test_a_recording_is_played_and_read(recogniser, recording):
    moments = []
    read, _ = play(recogniser, LiveSettings(100, 8, 16), recording, speed=4, look=moments.append)
    assert moments == sorted(moments)
    assert read
    assert all(of.moment >= min(of.word.start, recording.times[-1]) for of in read)


def test_a_clock_that_wanders_and_memory_that_grows_are_seen():
    recording = PlayedVideo(None, np.arange(51) / 25, 25.0, pictures=tuple(range(50)), signed=SIGNED)
    # 12 rounds of 2 s between two others, two for each part; in the last part glosses are read 3 frames later
    read = [
        shown(of.gloss, of.start + 2 * again + late, of.end + 2 * again, of.end + 2 * again + 0.5)
        for again in range(14)
        for late in [0.12 if again >= 11 else 0.0]
        for of in SIGNED
    ]
    memory = [(moment, 100.0 if moment < 22 else 130.0) for moment in range(28)]
    table = format_endurance(recording, 12, read, memory).splitlines()
    assert table[1].split() == ["0.0", "to", "0.1", "100.0", "100.0", "0.00", "%", "6", "0.50", "0.50", "+0.00"]
    assert table[6].split()[3:] == ["130.0", "130.0", "0.00", "%", "6", "0.50", "0.50", "+3.00"]
    assert table[7] == (
        "from the first part to the last: memory of the process +30.0 MiB, clock +3.00 frames (goal below 1)"
    )
    assert 10 < read_memory() < 1e6 or np.isnan(read_memory())


def test_each_number_format_is_measured_and_read_live(recogniser):
    clips = [make_random_clip(24, recogniser.config.feeder_args.input_size)]
    printed = format_rates(recogniser, clips, 0.4)
    assert "PyTorch, fused, fp32" in printed
    assert "onnxruntime, int8: this machine reads " in printed or "onnxruntime, int8: warning" in printed


def test_all_sections_of_a_trained_network(random_checkpoint, prepared, capsys, monkeypatch):
    monkeypatch.setattr(live, "list_settings", lambda: [LiveSettings(48, 8, 8), LiveSettings(48, 8, 8, 2)])
    words = ["--model_path", str(random_checkpoint), "--prepared", str(prepared), "--splits", "test", "--clips", "1"]
    live.main(live.parse_args(["delay", "settings", "endurance", *words, "--minutes", "0.01", "--speed", "8"]))
    printed = capsys.readouterr().out
    assert "test, clips by themselves" in printed
    assert "test, one recording" in printed
    assert [line.split()[:3] for line in printed.splitlines() if line.startswith("48")] == [
        ["48", "8", "1"], ["48", "8", "2"],
    ]  # fmt: skip
    assert "memory of the process" in printed


def test_a_section_without_its_network(capsys):
    with pytest.raises(SystemExit, match="error: this section reads clips of a trained network's corpus"):
        live.main(live.parse_args(["delay"]))
    with pytest.raises(SystemExit):
        live.parse_args(["speed"])
