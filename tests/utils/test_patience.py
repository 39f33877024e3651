import time

from utils import patience
from utils.patience import say_if_long


def test_a_line_only_where_it_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(patience, "SECONDS", 0.1)
    with say_if_long("quick"):
        pass
    with say_if_long("loading ..."):
        time.sleep(0.3)
    assert capsys.readouterr().err == "loading ...\n"
