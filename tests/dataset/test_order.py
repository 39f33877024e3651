import numpy as np
import pytest

from config.load import load_config
from dataset.order import SPREAD, BucketSampler, DistributedEpochSampler, EpochSampler
from tests.helpers.loading import build_loader, load_manifest, load_vocabulary


def batches(sampler, epoch, size):
    sampler.epoch = epoch
    order = [index for _, index in sampler]
    return [order[i : i + size] for i in range(0, len(order), size)]


def test_buckets_hold_every_clip_once_and_neighbours_only():
    lengths = np.arange(100, 200)  # one clip of each length
    sampler = BucketSampler(lambda _: lengths, 100, 8, seed=3)
    for epoch in (1, 2):
        found = batches(sampler, epoch, 8)
        assert sorted(index for batch in found for index in batch) == list(range(100))
        assert [len(batch) for batch in found] == [8] * 12 + [4]
        for batch in found:
            # 8 neighbours of 100 differ by 7; jitter moves each by at most 5 % of 200, to either side
            assert np.ptp(lengths[batch]) <= 12 + 4 * SPREAD * 200
    assert len(sampler) == 100


def test_batches_and_their_order_change_with_the_epoch_and_nothing_else():
    lengths = np.arange(100, 200)
    one, two = (BucketSampler(lambda _: lengths, 100, 4, seed=3) for _ in range(2))
    assert batches(one, 5, 4) == batches(two, 5, 4)
    first, second = batches(one, 5, 4), batches(one, 6, 4)
    members = [{frozenset(batch) for batch in epoch} for epoch in (first, second)]
    assert len(members[0] & members[1]) < 5
    starts = [lengths[batch].mean() for batch in first]
    assert starts != sorted(starts)
    assert batches(BucketSampler(lambda _: lengths, 100, 4, seed=4), 5, 4) != first


def test_what_is_left_over_is_of_any_length():
    lengths = np.arange(100, 200)
    sampler = BucketSampler(lambda _: lengths, 100, 33, seed=0)
    last = {batches(sampler, epoch, 33)[-1][0] for epoch in range(30)}
    assert min(last) < 20
    assert max(last) > 80


@pytest.mark.parametrize("size", [1, 3, 4])
def test_fewer_clips_than_a_batch(size):
    assert sorted(batches(BucketSampler(lambda _: [9] * size, size, 4, seed=0), 1, 4)[0]) == list(range(size))


def test_lengths_are_asked_for_in_the_epoch():
    def lengths(epoch):
        return [100 * (1 + (index + epoch) % 2) for index in range(8)]

    sampler = BucketSampler(lengths, 8, 4, seed=0)
    for epoch in (1, 2):
        assert {frozenset(batch) for batch in batches(sampler, epoch, 4)} == {
            frozenset(range(0, 8, 2)), frozenset(range(1, 8, 2)),
        }  # fmt: skip


def test_an_order_that_is_not_shuffled():
    sampler = EpochSampler(4, shuffle=False, seed=0)
    sampler.epoch = 7
    assert list(sampler) == [(7, 0), (7, 1), (7, 2), (7, 3)]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_fills_batches_by_planned_length(prepared, workers):
    overrides = {
        "prepared": str(prepared), "feeder_args.input_size": 64, "num_worker": workers, "batch_size": 3,
        "feeder_args.bucket": True, "feeder_args.min_frames": 8,
    }  # fmt: skip
    config = load_config(None, overrides)[0]
    manifest, vocabulary = load_manifest(config, "train"), load_vocabulary(config)
    loader = build_loader(config, manifest, vocabulary, training=True)
    seen = []
    for epoch in (1, 2):
        loader.sampler.epoch = epoch
        planned = dict(zip((clip.id for clip in manifest.clips), loader.dataset.lengths(epoch), strict=True))
        found = list(loader)
        assert [len(batch.ids) for batch in found] == [3, 3, 2]
        assert sorted(name for batch in found for name in batch.ids) == sorted(planned)
        for batch in found:
            assert batch.lengths.tolist() == [planned[name] for name in batch.ids]
        seen.append([batch.ids for batch in found])
    assert seen[0] != seen[1]
    evaluation = build_loader(config, manifest, vocabulary, training=False)
    assert [name for batch in evaluation for name in batch.ids] == [clip.id for clip in manifest.clips]


def parts(size, batch_size, count, training, epoch=3, begin=0):
    out = []
    for rank in range(count):
        part = DistributedEpochSampler(EpochSampler(size, training, seed=1), batch_size, rank, count, training)
        part.set_position(epoch, begin)
        out.append([index for _, index in part])
        assert begin or len(out[-1]) == len(part)
    return out


def test_processes_share_the_clips_that_one_would_take_at_once():
    whole = EpochSampler(20, True, seed=1)
    whole.epoch = 3
    order = [index for _, index in whole]
    assert parts(20, 4, 1, training=True) == [order]
    first, second = parts(20, 2, 2, training=True)
    assert [first[i : i + 2] + second[i : i + 2] for i in range(0, 10, 2)] == [
        order[i : i + 4] for i in range(0, 20, 4)
    ]


@pytest.mark.parametrize(("size", "batch_size", "count"), [(19, 2, 2), (18, 2, 3), (1, 2, 4), (7, 8, 2), (9, 1, 1)])
def test_all_processes_take_equally_many_clips_and_none_is_left_out(size, batch_size, count):
    found = parts(size, batch_size, count, training=True)
    assert len({len(part) for part in found}) == 1
    assert {index for part in found for index in part} == set(range(size))
    assert sum(map(len, found)) - size < count
    evaluated = parts(size, batch_size, count, training=False)
    assert sorted(index for part in evaluated for index in part) == list(range(size))


def test_an_epoch_goes_on_where_it_was_left():
    for count in (1, 2):
        for whole, rest in zip(parts(21, 3, count, True), parts(21, 3, count, True, begin=2), strict=True):
            assert rest == whole[6:]
    assert parts(21, 3, 1, True, begin=7) == [[]]
