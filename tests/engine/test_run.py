from engine.run import best_checkpoint


def test_the_best_checkpoint_after_resuming_into_another_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "last.pt").touch()
    assert best_checkpoint(new, str(old / "last.pt")) == old / "last.pt"
    (old / "best.pt").touch()
    assert best_checkpoint(new, str(old / "last.pt")) == old / "best.pt"
    (new / "best.pt").touch()
    assert best_checkpoint(new, str(old / "last.pt")) == new / "best.pt"
    assert best_checkpoint(new, None) == new / "best.pt"
