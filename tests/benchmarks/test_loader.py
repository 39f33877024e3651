"""The loader's benchmark measures what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import batches
from benchmarks import loader as benchmark
from dataset.manifest import Clip, Manifest


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return benchmark.write_corpora(2, tmp_path_factory.mktemp("corpora"))


def test_lengths_are_spread_like_those_of_phoenix2014():
    lengths = np.array(benchmark.draw_lengths(5671))
    assert lengths.min() >= 27
    assert lengths.max() <= 299
    assert abs(lengths.mean() - 141) < 2
    assert 45 < lengths.std() < 55


def test_the_naive_order_gives_the_same_pixels(corpora):
    loaders = benchmark.build_readers(corpora["png"])
    benchmark.check_equal(loaders)
    (floats, lengths), (folder, same) = (next(benchmark.read_batches(loaders[n], 3)) for n in ("naive float", "folder"))
    assert floats.dtype == torch.float32
    assert torch.equal(floats, folder.float())
    assert lengths == same
    with pytest.raises(RuntimeError, match="other pixels than from the folder: naive"):
        benchmark.check_equal({"folder": loaders["folder"], "naive": benchmark.build_readers(corpora["jpg"])["naive"]})


def test_padding_by_hand():
    # No rescaling, no shuffling of equals: 10 and 30 frames in one batch; edges of 12 frames and rounding up to fours.
    clips = tuple(Clip(str(n), str(n), "s", ("GLOSS",), n) for n in (10, 30))
    config = benchmark.configure(**{"feeder_args.temporal_scale": 0.0})
    edges, longest = benchmark.measure_padding(config, Manifest("phoenix2014", "train", 256, clips, Path()))
    # 10 -> 12 + 12 = 24, 30 -> 32 + 12 = 44; the batch has 2 * 44 = 88 frames, 20 of them for the longest
    assert edges == pytest.approx((14 + 14) / 88)
    assert longest == pytest.approx(20 / 88)


def test_buckets_leave_a_third_of_the_padding_for_the_longest_or_less():
    rows = benchmark.tabulate_padding(600)
    assert [row[0] for row in rows] == [f"{o}, batches of {size}" for size in (2, 8) for o in ("shuffled", "bucket")]
    for plain, bucket in (rows[:2], rows[2:]):
        assert plain[4:] == ["1.00x", "1.00x"]
        assert float(bucket[5].rstrip("x")) <= 1 / 3


def test_all_ways_to_hand_over_batches_give_the_same_ones(corpora):
    plain, jpeg = (benchmark.build_training_loader(benchmark.configure(), corpora[kind]) for kind in ("png", "jpg"))
    ways = batches.build_ways({"PNG": plain.dataset, "JPG": jpeg.dataset}, batch_size=2, passes=2, workers=1)
    assert list(ways) == ["PNG, copied", "PNG", "JPG"]
    batches.check_same(ways)
    samples = [plain.dataset[1, 0], plain.dataset[1, 1]]
    assert torch.equal(batches.collate_by_copying(samples), plain.dataset.collate(samples).video)
    wrong = {"PNG": ways["PNG"], "PNG, of JPEG": ways["JPG"]}
    with pytest.raises(RuntimeError, match="other pixels than PNG: PNG, of JPEG"):
        batches.check_same(wrong)


def test_formats_by_hand(monkeypatch):
    image = np.full((64, 64, 3), 100, np.uint8)
    brighter = np.full((64, 64, 3), 102, np.uint8)
    brighter[0, 0] = 110
    decode = batches.decode_image
    monkeypatch.setattr(batches, "decode_image", lambda data, name: brighter if "JPEG" in name else decode(data, name))
    rows = {row[0]: row[1:] for row in batches.tabulate_formats([image], 1)}
    assert list(rows) == list(batches.ENCODINGS)
    assert [row[3:] for name, row in rows.items() if "PNG" in name] == [["0.00", "0", ""]] * 4
    # mean (4095 * 2 + 10) / 4096 = 2.002; of squares (4095 * 4 + 100) / 4096 = 4.0234: 10 log10(65025 / 4.0234)
    assert rows["JPEG of quality 95"][3:] == ["2.00", "10", "42.1 dB"]
    assert float(rows["PNG, not compressed"][2]) == pytest.approx(64 * 64 * 3 / 1000, rel=0.05)


def test_what_it_prints(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "available_cores", lambda: 1)
    benchmark.main(benchmark.parse_args(["--clips=1", "--repeats=1", "--lengths=50"]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["frames", "a", "second", "frames/s"]
    assert [line.split(",")[0] for line in lines[2:10]] == ["folder", "LMDB", "naive", "naive float"] * 2
    assert lines[11] == "batches of 2 from 1 worker, through shared memory"
    names = ["PNG, copied", "PNG", "PNG, LMDB", "JPG", "JPG, LMDB", "PNG, not compressed"]
    assert [line.split("  ")[0] for line in lines[13:19]] == names
    assert [line.split("  ")[0] for line in lines[22:27]] == list(batches.ENCODINGS)
    assert lines[28].startswith("50 clips of ")
    assert len(lines) == 34
