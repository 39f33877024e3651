from dataclasses import asdict, replace

import pytest
import torch

import engine.run
import utils.workers
from config.load import load_config, to_yaml
from engine.checkpoints import is_best, locate_best_checkpoint
from engine.provenance import describe_device
from engine.resume import list_changed_settings
from engine.run_folder import check_run_folder, holds_other_settings
from engine.train_state import TrainState
from evaluation.reporting.history import EpochRecord
from tests.helpers.commands import call_main
from utils.checkpoint import save_checkpoint
from utils.errors import InputError


def save(path, wer, epoch):
    save_checkpoint(path, {"train_state": {"best_wer": wer, "best_epoch": epoch}})


def test_the_best_checkpoint_after_resuming_into_another_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    resumed = str(old / "epoch_10.pt")
    save(old / "epoch_10.pt", 30.0, 9)
    save(new / "last.pt", 30.0, 9)
    state = TrainState(epoch=12, best_wer=30.0, best_epoch=9)
    assert locate_best_checkpoint(new, resumed, state) == new / "last.pt"
    save(old / "best.pt", 20.0, 50)  # of later epochs of the older run: not this run's best
    assert locate_best_checkpoint(new, resumed, state) == new / "last.pt"
    save(old / "best.pt", 30.0, 9)
    assert locate_best_checkpoint(new, resumed, state) == old / "best.pt"
    save(new / "best.pt", 25.0, 12)
    assert locate_best_checkpoint(new, resumed, TrainState(epoch=12, best_wer=25.0, best_epoch=12)) == new / "best.pt"


def test_weights_are_not_moved_away_from_under_a_run(tmp_path):
    save(tmp_path / "run/best.pt", 1.0, 1)
    settings = {"work_dir": str(tmp_path / "run"), "load_weights": str(tmp_path / "run/best.pt"), "overwrite": True}
    with pytest.raises(InputError, match=r"best\.pt lies in .*move aside"):
        check_run_folder(load_config(None, settings)[0])
    assert check_run_folder(load_config(None, settings | {"load_weights": None})[0])
    assert not check_run_folder(load_config(None, settings | {"phase": "test"})[0])


def test_neither_what_is_learnt_nor_how_the_best_epoch_is_found_may_change_on_resuming():
    before = {"merge_repeats": False, "num_epoch": 1, "feeder_args": {"flip": 0.5, "input_size": 64}}
    after = {"merge_repeats": True, "num_epoch": 2, "feeder_args": {"flip": 0.0, "input_size": 64}}
    assert list_changed_settings(before, after) == ["merge_repeats: False -> True", "feeder_args.flip: 0.5 -> 0.0"]


def test_the_state_of_another_version_is_taken_as_far_as_it_is_known():
    assert TrainState.from_dict({"epoch": 3, "best_wer": 20.0, "unheard_of": 1}) == TrainState(epoch=3, best_wer=20.0)
    record = EpochRecord(1, 2.0, 1e-3, 60.0, 30.0, 31.0)
    state = TrainState(epoch=1, history=(record,))
    assert TrainState.from_dict(asdict(state)) == state


def test_the_best_epoch_has_the_lowest_wer_and_the_earlier_of_two_stays():
    state = TrainState(epoch=3, best_wer=25.0, best_epoch=2)
    assert [is_best(wer, state) for wer in (24.9, 25.0, 25.1)] == [True, False, False]
    assert is_best(130.0, TrainState())  # the first evaluation, whatever it gives


def test_the_configuration_of_an_earlier_version_is_not_taken_for_another_one(tmp_path):
    config = load_config(None, {"work_dir": str(tmp_path / "run")})[0]
    held = tmp_path / "config.yaml"
    held.write_text(to_yaml(config).replace("recompute: blocks", "checkpoint_stages: false"))
    assert "checkpoint_stages" in held.read_text()
    assert not holds_other_settings(held, config)
    assert holds_other_settings(held, replace(config, recompute="stages"))


def test_the_decoder_is_compiled_before_training_begins_and_the_log_counts_the_workers(prepared, tmp_path, monkeypatch):
    def stop(_decoder, show):
        show("compiling")
        raise InputError("compiled")

    monkeypatch.setattr(engine.run, "compile_decoder", stop)
    monkeypatch.setattr(utils.workers, "available_cores", lambda: 1)
    with pytest.raises(SystemExit, match="compiled"):
        call_main(prepared, tmp_path / "run", "--num_worker", "3")
    log = (tmp_path / "run/log.txt").read_text()
    assert log.endswith("compiling\n")
    assert log.count("frames are read by 1 worker, not by num_worker's 3: this process may use no more cores") == 1
    assert "epoch 1" not in log


def test_the_log_says_the_number_of_workers_that_was_chosen(prepared, tmp_path, monkeypatch):
    def stop(*_):
        raise InputError("stopped")

    monkeypatch.setattr(engine.run, "compile_decoder", stop)
    with pytest.raises(SystemExit, match="stopped"):
        call_main(prepared, tmp_path / "run", "--num_worker", "auto")
    assert "frames are read by 1 worker (num_worker: auto)\n" in (tmp_path / "run/log.txt").read_text()


@pytest.mark.parametrize(("threads", "line"), [(1, "cpu, 1 thread"), (2, "cpu, 2 threads")])
def test_the_device_of_the_log_counts_its_threads_in_grammatical_numbers(monkeypatch, threads, line):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert describe_device(torch.device("cpu")) == line
