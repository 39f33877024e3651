"""False glosses are counted by the rest in which they lie, the others by their sentence."""

from collections import Counter

from benchmarks.silence import count, describe, main, parse_args
from dataset.synthetic.motion import FPS
from dataset.synthetic.recording import plan_recording
from dataset.synthetic.resting import RESTS
from evaluation.ctm import CtmWord


def test_glosses_that_reach_into_a_sentence_are_counted_with_it():
    recording = plan_recording((("NORD", "KALT"), ("REGEN", "WARM")), (2.0, 2.0), 0, seed=1, kinds=["stand", "fold"])
    (first, end), (later, last) = recording.sentences
    assert [kind for kind, *_ in recording.rests] == ["stand", "fold", "stand"]

    def word(gloss: str, begin: int, frames: int = 10) -> CtmWord:
        return CtmWord(
            gloss, (begin + 0.25) / FPS, (frames - 0.5) / FPS, 0.9
        )  # off the grid, which rounding would cross

    words = [
        word("SUED", 20),  # the first rest
        word("NORD", first - 9),  # its last frame is the sentence's first
        word("OST", end),  # the second rest, up to the sentence's end
        word("OST", later - 10),
        word("REGEN", later + 1),
        word("KALT", last - 1, 30),  # in place of WARM; nearly all of it lies in the last rest
        word("WARM", last),
    ]
    found = count(recording, words)  # KALT is missing in the first sentence
    assert found == Counter({"stand": 2, "fold": 2, "C": 2, "D": 1, "S": 1, "scratch": 0, "shift": 0, "away": 0})
    minutes = Counter({"stand": 0.5, "fold": 0.25})
    assert describe("live", found, minutes) == ["live", "4.0", "-", "8.0", "-", "-", "5.3", "1", "1", "0", "50.0 %"]


def test_a_gloss_between_two_sentences_is_counted_with_the_one_in_which_more_of_it_lies():
    recording = plan_recording((("NORD", "KALT"), ("REGEN",)), (0.4, 0.4), 0, seed=1, kinds=["stand"])
    (_, end), (later, _) = recording.sentences
    early, late = (CtmWord("REGEN", (end - 5 + shift) / FPS, (later - end + 10) / FPS) for shift in (-2, 2))
    none = dict.fromkeys(RESTS, 0)
    assert count(recording, [early]) == Counter({"S": 1, "D": 2} | none)
    assert count(recording, [late]) == Counter({"C": 1, "D": 2} | none)


def test_the_table_of_a_network_that_has_learnt_nothing(random_checkpoint, capsys):
    arguments = "--signers 2 --sentences 1 --glosses 6 --pictures noise --window 48 --hop 24 --lookahead 12"
    main(parse_args(["--model_path", str(random_checkpoint), *arguments.split()]))
    lines = capsys.readouterr().out.splitlines()
    assert "minutes of rests" in lines[0]
    rows = [line for line in lines if line.startswith(("live, all glosses", "live ", "offline, win", "sentences al"))]
    assert len(rows) == 4
