import pytest

from config.load import load_config
from engine.run import best_checkpoint
from engine.run_folder import RunFolderError, check_run_folder
from engine.trainer import TrainState
from utils.checkpoint import save_checkpoint


def save(path, wer, epoch):
    save_checkpoint(path, {"train_state": {"best_wer": wer, "best_epoch": epoch}})


def test_the_best_checkpoint_after_resuming_into_another_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    resumed = str(old / "epoch_10.pt")
    save(old / "epoch_10.pt", 30.0, 9)
    save(new / "last.pt", 30.0, 9)
    state = TrainState(epoch=12, best_wer=30.0, best_epoch=9)
    assert best_checkpoint(new, resumed, state) == new / "last.pt"
    save(old / "best.pt", 20.0, 50)  # of later epochs of the older run: not this run's best
    assert best_checkpoint(new, resumed, state) == new / "last.pt"
    save(old / "best.pt", 30.0, 9)
    assert best_checkpoint(new, resumed, state) == old / "best.pt"
    save(new / "best.pt", 25.0, 12)
    assert best_checkpoint(new, resumed, TrainState(epoch=12, best_wer=25.0, best_epoch=12)) == new / "best.pt"


def test_weights_are_not_moved_away_from_under_a_run(tmp_path):
    save(tmp_path / "run/best.pt", 1.0, 1)
    settings = {"work_dir": str(tmp_path / "run"), "load_weights": str(tmp_path / "run/best.pt"), "overwrite": True}
    with pytest.raises(RunFolderError, match=r"best\.pt lies in .*move aside"):
        check_run_folder(load_config(None, settings)[0])
    assert check_run_folder(load_config(None, settings | {"load_weights": None})[0])
    assert not check_run_folder(load_config(None, settings | {"phase": "test"})[0])
