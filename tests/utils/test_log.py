"""The log file on disks that fail."""

from __future__ import annotations

import shutil

from utils.log import LOGGER, start_log


def test_a_log_that_was_deleted_is_made_again(tmp_path):
    path = tmp_path / "run/log.txt"
    start_log(path, quiet=True)
    LOGGER.info("first")
    shutil.rmtree(path.parent)
    LOGGER.info("nowhere")
    path.parent.mkdir()
    LOGGER.info("second")
    assert path.read_text().endswith("  second\n")
    assert "first" not in path.read_text()
    start_log(None)


def test_a_full_disk_has_one_line_and_no_traceback(tmp_path, capsys):
    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

        def flush(self):
            pass

        def close(self):
            pass

    path = tmp_path / "log.txt"
    file = start_log(path, quiet=True).handlers[-1]
    file.stream.close()
    file.stream = Full()
    LOGGER.info("first")
    LOGGER.info("second")
    said = capsys.readouterr()
    assert said.out == f"warning: {path} cannot be written: [Errno 28] No space left on device\n"
    assert said.err == ""
    start_log(None)
