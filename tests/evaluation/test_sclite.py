"""The outside scorer: how it is found, how it fails, and that it agrees with the built-in one."""

import random
import stat
import sys

import pytest

from evaluation.ctm import FormatError, Reference, read_ctm, read_stm, write_stm
from evaluation.sclite import score_with_sclite
from evaluation.wer import main, parse_args, score_hypotheses
from utils import sclite_program
from utils.errors import InputError
from utils.sclite_program import find_sclite

try:
    find_sclite()
    MISSING = False
except InputError:
    MISSING = True
needs_sclite = pytest.mark.skipif(MISSING, reason="sclite is not installed (apt-get install sctk)")

GLOSSES = [
    *("A", "a", "Ä", "ä", "B", "b", "WETTER", "wetter", "IX", "3", "10", "__ON__", "S+T", "NN", "我", "是", "(X)"),
    *("[EMPTY]", "%HES", "É", "é", "/", "X-Y", "-", "ß", "İ", "\u212a", "k", "A\u3000B", "A\u00a0B", "*A", "<UNK>"),
]


def program(folder, body, name="sclite"):
    """A stand-in for sclite."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def random_pairs(seed, number, longest):
    """References and hypotheses with many errors, repeats and empty sides."""
    rng = random.Random(seed)
    references, hypotheses = [], {}
    for index in range(number):
        vocabulary = rng.sample(GLOSSES, rng.randint(2, len(GLOSSES)))
        reference = rng.choices(vocabulary, k=rng.randint(0, longest))
        while reference and reference[0].startswith("<"):
            reference.pop(0)
        if rng.random() < 0.5:
            hypothesis = rng.choices(vocabulary, k=rng.randint(0, longest))
        else:
            noisy = ([gloss, rng.choice(vocabulary), None][min(2, int(rng.expovariate(1.5)))] for gloss in reference)
            hypothesis = [gloss for gloss in noisy if gloss is not None for _ in range(rng.choice((1, 1, 1, 2)))]
        references.append(Reference(f"Sentence-{index}", f"Signer0{rng.randint(1, 3)}", tuple(reference)))
        hypotheses[f"Sentence-{index}"] = hypothesis
    return references, hypotheses


@needs_sclite
@pytest.mark.parametrize(("seed", "number", "longest"), [(0, 1500, 5), (1, 1500, 14), (2, 400, 35)])
def test_both_scorers_agree_on_every_sentence(seed, number, longest):
    references, hypotheses = random_pairs(seed, number, longest)
    shuffled = dict(random.Random(seed).sample(list(hypotheses.items()), number))
    assert score_hypotheses(references, hypotheses) == score_with_sclite(references, shuffled)


@needs_sclite
def test_files_with_every_trap_count_as_they_should(tmp_path):
    stm = tmp_path / "r.stm"
    stm.write_text("\ufeffa 1 P1 0.0 1.79769e+308 A Ä B\r\nb 1 P2 0.0 1.79769e+308 C\nc 1 P2 0.0 1.0 D\n", "utf-8")
    ctm = tmp_path / "h.ctm"
    ctm.write_text("\ufeffc 1 5.0 0.1 d\r\n\n;; comment\na 1 0.2 0.1 a\r\na 1 0.1 0.1 ä\r\na 1 0.0 0.0 B\r\n", "utf-8")
    references, hypotheses = read_stm(stm), {entry.id: entry.glosses for entry in read_ctm(ctm)}
    result = score_with_sclite(references, hypotheses, require_all=False)
    assert [(s.id, s.correct, s.substitutions, s.deletions, s.insertions) for s in result.sentences] == [
        ("a", 2, 1, 0, 0),
        ("b", 0, 0, 1, 0),
        ("c", 1, 0, 0, 0),
    ]
    with pytest.raises(ValueError, match="1 references have no hypothesis: b"):
        score_with_sclite(references, hypotheses)


@needs_sclite
def test_long_ids_and_ids_that_differ_in_case_are_no_problem():
    references = [Reference(name, "p", ("A",)) for name in ("x", "X", "y" * 300, ";")]
    result = score_with_sclite(references, {"x": ["A"], "X": [], "y" * 300: ["A"], ";": ["B"]})
    assert [sentence.correct for sentence in result.sentences] == [1, 0, 1, 0]


@needs_sclite
def test_a_gloss_counts_whatever_unicode_form_it_has():
    result = score_with_sclite([Reference("a", "p", ("SU\u0308D", "É"))], {"a": ["SÜD", "E\u0301"]})
    assert result.correct == 2


@needs_sclite
def test_only_empty_hypotheses():
    result = score_with_sclite([Reference("a", "p", ("A", "B")), Reference("b", "p", ())], {"a": [], "b": []})
    assert result.deletions == result.reference_length == 2


@needs_sclite
def test_command_line_by_sclite(tmp_path, capsys):
    write_stm(tmp_path / "r.stm", [Reference("a", "p", ("NORD", "B"))])
    (tmp_path / "h.ctm").write_text("a 1 0 1 loc-NORD\n", encoding="utf-8")
    options = ["--hyp", str(tmp_path / "h.ctm"), "--ref", str(tmp_path / "r.stm"), "--normalise", "phoenix2014"]
    main(parse_args([*options, "--tool", "python"]))
    by_python = capsys.readouterr().out
    main(parse_args([*options, "--tool", "sclite"]))
    assert capsys.readouterr().out == by_python
    assert "50.00 %" in by_python


def test_command_line_without_sclite(tmp_path, monkeypatch):
    write_stm(tmp_path / "r.stm", [Reference("a", "p", ("A",))])
    (tmp_path / "h.ctm").write_text("a 1 0 1 A\n", encoding="utf-8")
    hide(monkeypatch, tmp_path)
    with pytest.raises(SystemExit, match="apt-get install sctk"):
        main(parse_args(["--hyp", str(tmp_path / "h.ctm"), "--ref", str(tmp_path / "r.stm"), "--tool", "sclite"]))


def hide(monkeypatch, tmp_path):
    """A machine without sclite."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(sclite_program, "DEBIAN_PATH", str(tmp_path / "none" / "sclite"))
    monkeypatch.chdir(tmp_path)


def test_a_missing_program_is_one_sentence_that_says_what_to_do(monkeypatch, tmp_path):
    hide(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"apt-get install sctk.*evaluate_tool: python") as error:
        find_sclite()
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="at /nowhere/sclite"):
        find_sclite("/nowhere/sclite")


def test_where_the_program_is_looked_for(monkeypatch, tmp_path):
    hide(monkeypatch, tmp_path)
    wrapper = program(tmp_path / "empty", "", name="sctk")
    assert find_sclite() == [str(wrapper), "sclite"]
    debian = program(tmp_path / "none", "")
    assert find_sclite() == [str(debian)]
    local = program(tmp_path / "software", "")
    assert find_sclite() == [str(local)]
    on_path = program(tmp_path / "empty", "")
    assert find_sclite() == [str(on_path)]
    configured = program(tmp_path / "mine", "")
    assert find_sclite(str(configured)) == find_sclite(str(configured.parent)) == [str(configured)]
    assert find_sclite("mine/sclite") == [str(configured)]
    assert find_sclite(str(wrapper)) == [str(wrapper), "sclite"]
    configured.chmod(0o600)
    with pytest.raises(InputError, match="no program sclite at"):
        find_sclite(str(configured))


GOOD_REPORT = "File: s0000000\\nChannel: 1\\nScores: (#C #S #D #I) 1 0 0 0\\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.stderr.write('out of luck'); sys.exit(3)", "status 3: out of luck"),
        ("import os; os.kill(os.getpid(), 11)", "status -11"),
        ("print('nothing to say')", "says nothing about a: its report is incomplete"),
        (f"print('{GOOD_REPORT}'.replace('s0000000', 'other'))", "says nothing about a"),
        (f"print('{GOOD_REPORT}'.replace('1 0 0 0', '2 0 0 0'))", "counted 2 reference and 2 recognised glosses in a"),
        ("time.sleep(60)", "did not finish within 0.5 s.*evaluate_tool: python"),
    ],
)
def test_a_failing_program_is_an_error_and_not_a_score(tmp_path, body, message):
    path = str(program(tmp_path, body))
    with pytest.raises(InputError, match=message):
        score_with_sclite(
            [Reference("a", "p", ("A",))], {"a": ["A"]}, path=path, timeout=0.5 if "sleep" in body else 60.0
        )


def test_a_good_report_is_read(tmp_path):
    path = str(program(tmp_path, f"print('{GOOD_REPORT}')"))
    assert score_with_sclite([Reference("a", "p", ("A",))], {"a": ["A"]}, path=path).correct == 1


def test_a_program_that_cannot_start(tmp_path):
    path = tmp_path / "sclite"
    path.write_bytes(b"\x7fELF of another machine")
    path.chmod(0o700)
    with pytest.raises(InputError, match="cannot be started"):
        score_with_sclite([Reference("a", "p", ("A",))], {"a": ["A"]}, path=str(path))


def test_glosses_and_ids_are_checked_before_anything_runs(tmp_path):
    path = str(program(tmp_path, "sys.exit(9)"))
    with pytest.raises(FormatError, match="'@'"):
        score_with_sclite([Reference("a", "p", ("A",))], {"a": ["@"]}, path=path)
    with pytest.raises(FormatError, match="'<UNK>'"):
        score_with_sclite([Reference("a", "p", ("<UNK>",))], {"a": []}, path=path)
    with pytest.raises(ValueError, match="no hypothesis"):
        score_with_sclite([Reference("a", "p", ("A",))], {}, path=path)
    with pytest.raises(ValueError, match="no reference"):
        score_with_sclite([Reference("a", "p", ("A",))], {"a": [], "b": []}, path=path)
