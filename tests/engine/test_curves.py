"""TensorBoard's files."""

from engine.curves import Curves


def test_the_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "run\udce9"
    folder.mkdir()
    with Curves(folder, 0, 1) as curves:
        curves.writer.add_scalar("a", 1.0, 1)
        curves.writer.flush()
        curves.writer.add_scalar("a", 2.0, 2)
    (file,) = folder.iterdir()
    assert file.stat().st_size > 100
