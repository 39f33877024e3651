import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import warnings
from dataclasses import fields, replace
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import utils.workers
from config.load import load_config
from dataset import shared_memory
from dataset.batch import Batch, Collate, Sample
from dataset.frames import FrameError, read_frames
from dataset.loader import drop_short_clips
from dataset.manifest import Clip, Manifest, ManifestError
from dataset.vocabulary import Vocabulary, VocabularyError
from tests.helpers.commands import run_python, start_python, wait_until
from tests.helpers.loading import build_loader, load_manifest, load_vocabulary
from utils.temporal import TemporalSpec
from utils.workers import make_loader_context


def configure(prepared, **changes):
    overrides = {"prepared": str(prepared), "feeder_args.input_size": 64, "num_worker": 0, "batch_size": 3} | changes
    return load_config(None, overrides)[0]


def collect(config, split, training, epoch=0):
    loader = build_loader(config, load_manifest(config, split), load_vocabulary(config), training)
    loader.sampler.epoch = epoch
    return list(loader)


def test_collate_pads_by_the_first_and_the_last_frame():
    spec = TemporalSpec()
    clips = [np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(3, axis=1) for n in (8, 5)]
    batch = Collate(spec)([Sample("a", clips[0], (1, 2)), Sample("b", clips[1], (3,))])
    assert batch.video.shape == (2, 20, 3, 1, 1)
    assert batch.video[1, :, 0, 0, 0].tolist() == [0] * 6 + [0, 1, 2, 3, 4] + [4] * 9
    assert batch.lengths.tolist() == [8, 5]
    assert batch.targets.tolist() == [1, 2, 3]
    assert batch.target_lengths.tolist() == [2, 1]


def test_evaluation_reads_every_clip_once_and_in_order(prepared):
    config = configure(prepared, test_batch_size=2)
    manifest = load_manifest(config, "test")
    batches = collect(config, "test", training=False)
    assert [name for batch in batches for name in batch.ids] == [clip.id for clip in manifest.clips]
    lengths = [n for batch in batches for n in batch.lengths.tolist()]
    assert lengths == [clip.num_frames for clip in manifest.clips]


def test_training_reads_every_clip_once_in_an_order_of_its_epoch(prepared):
    config = configure(prepared)
    names = [[name for batch in collect(config, "train", True, epoch) for name in batch.ids] for epoch in (1, 2, 1)]
    assert sorted(names[0]) == sorted(clip.id for clip in load_manifest(config, "train").clips)
    assert names[0] == names[2] != names[1]


def test_what_is_drawn_depends_on_seed_and_epoch_and_not_on_workers(prepared):
    alone, workers = configure(prepared), configure(prepared, num_worker=2)
    reference = collect(alone, "train", True, epoch=3)
    for other in (collect(workers, "train", True, epoch=3), collect(alone, "train", True, epoch=3)):
        assert [batch.ids for batch in reference] == [batch.ids for batch in other]
        assert all(torch.equal(a.video, b.video) for a, b in zip(reference, other, strict=True))
    another_seed = configure(prepared, random_seed=9)
    assert [b.ids for b in collect(another_seed, "train", True, epoch=3)] != [b.ids for b in reference]


def test_a_sample_is_its_plan_carried_out(prepared):
    config = configure(prepared)
    manifest = load_manifest(config, "train")
    dataset = build_loader(config, manifest, load_vocabulary(config), training=True).dataset
    mirrored = set()
    for epoch in range(4):
        for index, clip in enumerate(manifest.clips[:3]):
            plan = dataset.plan(epoch, index)
            video = dataset[epoch, index].video
            whole = read_frames(manifest.clip_folder(clip), plan.indices, plan.size)
            np.testing.assert_array_equal(video, dataset.transform.apply(whole, plan))
            assert len(video) == dataset.lengths(epoch)[index]
            assert video.flags.c_contiguous
            mirrored.add(plan.flip)
    assert mirrored == {False, True}


def test_the_loader_leaves_the_global_random_state_alone(prepared):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    collect(configure(prepared, num_worker=1), "train", True)
    assert torch.equal(before, torch.get_rng_state())


def test_a_corpus_that_is_not_prepared(tmp_path):
    config = configure(tmp_path / "nowhere", dataset_root=str(tmp_path / "missing"))
    with pytest.raises(ManifestError, match=r"ln -s WHERE_IT_LIES .*missing.*`python -m preprocess\.prepare"):
        load_vocabulary(config)
    linked = configure(tmp_path / "nowhere", dataset_root=str(tmp_path))
    with pytest.raises(ManifestError, match=r"is not prepared: .*python -m preprocess\.prepare") as error:
        load_vocabulary(linked)
    assert "ln -s" not in str(error.value)


def test_a_gloss_outside_the_dictionary_names_the_clip(prepared):
    config = configure(prepared)
    manifest = load_manifest(config, "dev")
    with pytest.raises(VocabularyError, match=f"clip {manifest.clips[0].id} of dev: .*{manifest.clips[0].glosses[0]}"):
        build_loader(config, manifest, Vocabulary(["SOMETHING-ELSE"]), training=False)


def test_an_unreadable_frame_names_clip_and_file(prepared, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "0001.png").write_bytes(b"")
    manifest = Manifest("phoenix2014", "dev", 72, (Clip("broken", str(folder), "s", ("A",), 1),))
    loader = build_loader(configure(prepared), manifest, Vocabulary(["A"]), training=False)
    with pytest.raises(FrameError, match=r"clip broken: .*0001\.png has zero bytes"):
        next(iter(loader))


def test_clips_too_short_for_their_label():
    clips = (Clip("short", "f", "s", ("A", "A", "B"), 12), Clip("just", "f", "s", ("A", "A", "B"), 13))
    manifest = Manifest("phoenix2014", "train", 72, clips)
    with pytest.raises(ManifestError, match=r"1 clip of train .*short \(12 frames, 3 glosses\); set .*skip_short"):
        drop_short_clips(manifest, TemporalSpec(), 1, skip_short=False)
    assert drop_short_clips(manifest, TemporalSpec(), 1, skip_short=True).clips == clips[1:]
    with pytest.raises(ManifestError, match="2 clips"):
        drop_short_clips(manifest, TemporalSpec(), 2, skip_short=False)


@pytest.mark.timeout(30)
def test_thousands_of_short_clips_take_no_time():
    """Half of as many clips as CSL-Daily has, as with frame_interval 4; comparing each with each takes minutes."""
    clips = tuple(Clip(f"clip{number}", "f", "s", ("A", "B", "C"), 8 + 8 * (number % 2)) for number in range(20_000))
    kept = drop_short_clips(Manifest("phoenix2014", "train", 72, clips), TemporalSpec(), 1, skip_short=True)
    assert kept.clips == clips[1::2]


@pytest.mark.parametrize(("wanted", "given"), [(4, 2), (2, 2), (1, 1), (0, 0)])
def test_no_more_workers_than_cores_and_no_warning_of_pytorch(prepared, monkeypatch, wanted, given):
    monkeypatch.setattr(utils.workers, "available_cores", lambda: 2)
    config = configure(prepared, num_worker=wanted)
    monkeypatch.setattr(torch.utils.data.dataloader.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loader = build_loader(config, load_manifest(config, "dev"), load_vocabulary(config), training=False)
    assert loader.num_workers == given


GPU = torch.device("cuda")


def test_auto_takes_as_many_workers_as_the_machine_allows(prepared, monkeypatch):
    monkeypatch.setattr(utils.workers, "available_cores", lambda: 9)
    monkeypatch.setattr(torch.utils.data.dataloader.os, "sched_getaffinity", lambda _: set(range(9)), raising=False)
    monkeypatch.setattr("dataset.loader.make_loader_context", lambda _: None)  # no worker is started
    config = configure(prepared, num_worker="auto", test_batch_size=1)
    alone = replace(config, num_worker=0)
    manifest, vocabulary = load_manifest(config, "train"), load_vocabulary(config)
    assert build_loader(config, manifest, vocabulary, training=False).num_workers == 1
    loader = build_loader(config, manifest, vocabulary, training=False, device=GPU)
    assert (loader.num_workers, loader.note) == (8, "")
    sizes = sorted(batch.video.nbytes for batch in build_loader(alone, manifest, vocabulary, training=False))
    # Room for five batches: two workers read four ahead while one is learnt from.
    free = SimpleNamespace(free=sum(sizes[-5:]))
    assert len(sizes) > 5
    monkeypatch.setattr(shared_memory.sys, "platform", "linux")
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda path: free)
    loader = build_loader(config, manifest, vocabulary, training=False, device=GPU)
    assert loader.num_workers == 2
    assert re.fullmatch(r"frames are read by 2 workers, and not by 8: /dev/shm has .* free .*", loader.note)
    free.free -= 1
    loader = build_loader(config, manifest, vocabulary, training=False, device=GPU)
    assert loader.num_workers == 1
    free.free = sum(sizes[-3:]) - 1  # too little even for what one reads ahead
    loader = build_loader(config, manifest, vocabulary, training=False, device=GPU)
    assert loader.num_workers == 1
    assert loader.note.startswith("warning: ")
    # A number means that number.
    counted = build_loader(replace(config, num_worker=4), manifest, vocabulary, training=False, device=GPU)
    assert counted.num_workers == 4
    assert counted.note.startswith("warning: ")


@pytest.mark.parametrize("training", [True, False])
def test_workers_persist_and_memory_is_pinned_for_cuda_alone(prepared, monkeypatch, training):
    monkeypatch.setattr("dataset.loader.make_loader_context", lambda _: None)
    alone, config = configure(prepared), configure(prepared, num_worker=1)
    manifest, vocabulary = load_manifest(config, "dev"), load_vocabulary(config)
    for name in ("cpu", "mps", "cuda"):
        loader = build_loader(config, manifest, vocabulary, training, torch.device(name))
        assert (loader.pin_memory, loader.persistent_workers) == (name == "cuda", True)
        assert build_loader(alone, manifest, vocabulary, training, torch.device(name)).pin_memory == (name == "cuda")


@pytest.mark.parametrize(("training", "pad_to"), [(True, 0), (False, 0), (True, 32)])
def test_a_batch_read_into_its_place_is_the_clips_joined(prepared, training, pad_to):
    config = configure(prepared, **{"feeder_args.pad_to": pad_to, "feeder_args.max_frames": 60})
    data = build_loader(config, load_manifest(config, "train"), load_vocabulary(config), training).dataset
    keys = [(2, 4), (2, 0), (2, 3)]
    samples = [data[key] for key in keys]
    batch, joined = data.__getitems__(keys), data.collate(samples)
    assert len({len(sample.video) for sample in samples}) > 1
    assert not pad_to or batch.video.shape[1] % pad_to == 0
    for field in fields(Batch):
        one, other = getattr(batch, field.name), getattr(joined, field.name)
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    for sample, row in zip(samples, batch.video.numpy(), strict=True):
        assert np.array_equal(row, sample.video[data.spec.pad(len(sample.video), len(row))])


def test_the_same_workers_read_the_next_evaluation(prepared):
    config = configure(prepared, num_worker=1, test_batch_size=4)
    loader = build_loader(config, load_manifest(config, "dev"), load_vocabulary(config), training=False)
    first = [batch.video.clone() for batch in loader]
    before = {process.pid for process in multiprocessing.active_children()}
    again = [batch.video for batch in loader]
    assert {process.pid for process in multiprocessing.active_children()} == before
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_when_no_clip_is_left():
    manifest = Manifest("phoenix2014", "train", 72, (Clip("short", "f", "s", ("A", "A", "B"), 4),))
    with pytest.raises(ManifestError, match=r"all clips of train \(1\) are too short"):
        drop_short_clips(manifest, TemporalSpec(), 1, skip_short=True)


def test_another_clip_stands_in_for_an_unreadable_one_where_that_is_allowed(prepared, tmp_path):
    broken = tmp_path / "prepared"
    shutil.copytree(prepared, broken)
    settings = {"dataset": "phoenix2014", "prepared": str(broken), "num_worker": 0, "feeder_args.input_size": 64}
    strict, lenient = (load_config(None, settings | {"on_bad_clip": choice})[0] for choice in ("stop", "skip"))
    vocabulary, manifest = load_vocabulary(strict), load_manifest(strict, "train")
    spoilt, follower = manifest.clips[-1], manifest.clips[0]
    shutil.rmtree(manifest.clip_folder(spoilt))
    last = len(manifest.clips) - 1
    with pytest.raises(FrameError, match=f"clip {spoilt.id}: no folder"):
        build_loader(strict, manifest, vocabulary, training=True).dataset[1, last]
    loader = build_loader(lenient, manifest, vocabulary, training=True)
    sample = loader.dataset[1, last]
    assert sample.id == follower.id
    (message,) = sample.unreadable
    assert message.startswith(f"clip {spoilt.id}: no folder")
    assert [note for batch in loader for note in batch.unreadable] == [message]
    with pytest.raises(FrameError):  # never in evaluation
        build_loader(lenient, manifest, vocabulary, training=False).dataset[0, last]
    for clip in manifest.clips[:-1]:
        shutil.rmtree(manifest.clip_folder(clip))
    with pytest.raises(FrameError):
        loader.dataset[1, 0]


def test_workers_end_with_a_main_process_that_is_killed(prepared):
    code = (
        "import os, sys, time; from config.load import load_config; from tests.helpers.loading import *\n"
        "from multiprocessing import active_children\n"
        "if __name__ == '__main__':\n"
        "    settings = {'dataset': 'phoenix2014', 'prepared': sys.argv[1], 'num_worker': 1}\n"
        "    config = load_config(None, settings | {'feeder_args.input_size': 64})[0]\n"
        "    batches = iter(build_loader(config, load_manifest(config, 'train'), load_vocabulary(config), True))\n"
        "    next(batches); print(active_children()[0].pid, flush=True); time.sleep(60)\n"
    )
    program = start_python("-c", code, str(prepared), stdout=subprocess.PIPE)
    worker = int(program.stdout.readline())
    os.kill(worker, signal.SIGTERM)
    os.kill(worker, 0)  # there still
    program.kill()
    program.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), seconds=60)


@pytest.mark.parametrize(("end", "status"), [("", 0), ("raise RuntimeError('at step 2')", 1)])
def test_a_program_that_ends_while_its_workers_run_ends_them(prepared, end, status):
    code = (
        "import sys; from config.load import load_config; from tests.helpers.loading import *\n"
        "if __name__ == '__main__':\n"
        "    settings = {'dataset': 'phoenix2014', 'prepared': sys.argv[1], 'num_worker': 2}\n"
        "    config = load_config(None, settings | {'feeder_args.input_size': 64})[0]\n"
        "    batches = iter(build_loader(config, load_manifest(config, 'train'), load_vocabulary(config), True))\n"
        f"    next(batches); {end}\n"
    )
    program = run_python("-c", code, str(prepared), check=False, timeout=300)
    assert program.returncode == status
    assert ("RuntimeError: at step 2" in program.stderr) == bool(end)
    assert "DataLoader worker" not in program.stderr


def test_workers_can_be_started_after_a_signal_to_all_processes():
    context = make_loader_context("dataset.loader")
    server = forkserver._forkserver._forkserver_pid
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(server, number)
    worker = context.Process(target=os.getpid)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert forkserver._forkserver._forkserver_pid == server
