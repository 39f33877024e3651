"""False glosses are counted by the rest in which they lie, the others by their sentence."""

from collections import Counter

from benchmarks.silence import count, describe, main, parse_args
from dataset.synthetic.motion import FPS
from dataset.synthetic.recording import plan_recording
from evaluation.ctm import CtmWord


def test_glosses_are_counted_where_their_middle_lies():
    recording = plan_recording((("NORD", "KALT"), ("REGEN", "WARM")), (2.0, 2.0), 0, seed=1, kinds=["stand", "fold"])
    (first, _), (later, _) = recording.sentences
    assert [kind for kind, *_ in recording.rests] == ["stand", "fold", "stand"]

    def word(gloss: str, middle: float) -> CtmWord:
        return CtmWord(gloss, middle / FPS - 0.1, 0.2, 0.9)

    words = [
        word("SUED", 25),  # the first rest
        word("NORD", first + 8),  # KALT is missing
        word("OST", recording.rests[1][1] + 3),  # the second rest
        word("OST", recording.rests[1][1] + 20),
        word("REGEN", later + 1),
        word("KALT", later + 20),  # in place of WARM
        word("WARM", recording.rests[2][1] + 0),  # the last rest begins with this frame
    ]
    found = count(recording, words)
    assert found == Counter({"stand": 2, "fold": 2, "C": 2, "D": 1, "S": 1, "scratch": 0, "shift": 0, "away": 0})
    minutes = Counter({"stand": 0.5, "fold": 0.25})
    assert describe("live", found, minutes) == ["live", "4.0", "-", "8.0", "-", "-", "5.3", "1", "1", "0", "50.0 %"]


def test_the_table_of_a_network_that_has_learnt_nothing(random_checkpoint, capsys):
    arguments = "--signers 2 --sentences 1 --glosses 6 --pictures noise --window 48 --hop 24 --lookahead 12"
    main(parse_args(["--model_path", str(random_checkpoint), *arguments.split()]))
    lines = capsys.readouterr().out.splitlines()
    assert "minutes of rests" in lines[0]
    rows = [line for line in lines if line.startswith(("live, all glosses", "live ", "offline, win", "sentences al"))]
    assert len(rows) == 4
