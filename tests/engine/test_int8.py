"""`python -m engine.export --int8`: what is written, what it costs, and what is refused."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from dataset.vocabulary import Vocabulary
from engine import export, int8
from engine.export import main, parse_args
from engine.export_parity import make_random_clip, write_and_read_back
from engine.int8 import KEY, RangeClips, configure_reading, count_word_errors, load_int8_corpus, quantise
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.inference.onnx_network import load_onnx
from evaluation.inference.read_clips import load_recogniser
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from tests.helpers.config import tiny_config
from tests.helpers.family import draw_clips, tiny_system
from utils.errors import InputError
from utils.temporal import TemporalSpec

NETWORKS = [
    ("vac", {}),  # SMKD's differs in nothing that is exported otherwise
    ("tlp", {}),
    ("corrnet", {}),
    ("corrnet", {"pooling": "lift", "fusion_after": [3, 4]}),
    ("mstfnet", {}),
    ("mstfnet", {"pooling": "max"}),
]


@pytest.fixture(scope="module")
def recogniser(prepared, random_checkpoint) -> Recogniser:
    found = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    return replace(found, config=configure_reading(found.config, prepared))


@pytest.fixture(scope="module")
def data(recogniser):
    return load_evaluation_data(recogniser.config, "dev", recogniser.vocabulary)


@pytest.fixture(scope="module")
def written(recogniser, tmp_path_factory) -> Path:
    """The folder of `float.onnx` and `int8.onnx`."""
    folder = tmp_path_factory.mktemp("int8")
    write_and_read_back(recogniser, "onnx", folder / "float.onnx")
    quantise(folder / "float.onnx", folder / "int8.onnx", load_int8_corpus(recogniser, None, 2).read_clips(), SPEC)
    return folder


@pytest.fixture
def quick(written, monkeypatch):
    """Nothing is computed: the file in int8 is a copy of one in float32, and has the word errors that the test says."""
    exported = (written / "float.onnx").read_bytes()

    def pretend(before: float, after: float) -> None:
        found = iter([before, after])
        sentences = SimpleNamespace(substitutions=0, deletions=0, insertions=0, reference_length=9)
        monkeypatch.setattr(export, "write_equal", lambda recogniser, name, path: path.write_bytes(exported))
        monkeypatch.setattr(int8, "quantise", lambda source, target, *_: target.write_bytes(source.read_bytes()))
        monkeypatch.setattr(int8, "count_word_errors", lambda *_: SimpleNamespace(wer=next(found), **vars(sentences)))
        monkeypatch.setattr(int8, "format_result_cells", lambda result: [f"{result.wer:.2f} %", "0", "0", "0", "9"])

    return pretend


SPEC = TemporalSpec()


def words(checkpoint: Path, prepared: Path, out: Path, *more: object) -> list[str]:
    """The command line of an export in int8."""
    given = ["--model_path", checkpoint, "--format", "onnx", "--int8", "--prepared", prepared, "--out", out, *more]
    return [str(word) for word in given]


def refused(arguments: list[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(parse_args(arguments))
    return str(stop.value)


def test_clips_come_padded_and_then_none():
    reader = RangeClips([np.zeros((5, 3, 8, 8), np.uint8)], SPEC)
    assert reader.get_next()["video"].shape == (1, SPEC.padded_length(5), 3, 8, 8)
    assert reader.get_next() is None


def test_int8_gives_nearly_what_float_gives(written, data):
    clip = data.loader.dataset[0, 0].video
    expected, given = (load_onnx(written / name).network(clip) for name in ("float.onnx", "int8.onnx"))
    largest = np.abs(expected).max()
    assert 1e-4 * largest < np.abs(given - expected).max() < 0.1 * largest


def test_every_convolution_is_in_seven_bits_and_the_lstm_in_float(written):
    graph = onnx.load(str(written / "int8.onnx")).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) > 20
    for node in convolutions:
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        kernel, scale = (weights[name] for name in makers[node.input[1]].input[:2])
        assert kernel.dtype == np.int8 and np.abs(kernel.astype(int)).max() <= 64
        assert scale.shape == kernel.shape[:1]
    lstms = [node for node in graph.node if node.op_type == "LSTM"]
    assert lstms and all(weights[node.input[1]].dtype == np.float32 for node in lstms)
    assert not any(node.op_type == "BatchNormalization" for node in graph.node)


@pytest.mark.parametrize(("system", "changes"), NETWORKS)
def test_every_network_of_the_family(tmp_path, system, changes):
    """Clips of other lengths and several at once too."""
    torch.manual_seed(0)
    model = tiny_system(system, **changes)
    model.train()(draw_clips([12, 8]), torch.tensor([12, 8]))
    config = tiny_config(system=system, **{f"model_args.{key}": value for key, value in changes.items()})
    recogniser = Recogniser(TorchNetwork(model.eval()), config, Vocabulary(["A", "B", "C", "D"]), 72)
    write_and_read_back(recogniser, "onnx", tmp_path / "float.onnx")
    quantise(tmp_path / "float.onnx", tmp_path / "int8.onnx", [make_random_clip(20, 64)], SPEC)
    network = load_onnx(tmp_path / "int8.onnx").network
    for frames in (1, 20, 37):
        clip = make_random_clip(frames, 64)
        expected, given = recogniser.network(clip), network(clip)
        assert given.shape == expected.shape
        assert 0 < np.abs(given - expected).max() < 0.1 * np.abs(expected).max()
    padded = np.stack([make_random_clip(frames, 64)[SPEC.pad(frames)] for frames in (37, 40)])
    together = network.session.run(["logits"], {"video": padded})[0]
    assert np.allclose(together[0], given, rtol=0, atol=1e-4)


def test_training_clips_are_spread_over_the_split(recogniser):
    every = load_int8_corpus(recogniser)
    assert every.places == tuple(range(8))
    some = load_int8_corpus(recogniser, None, 2)
    first, last = some.read_clips()
    clips = every.training
    assert np.array_equal(first, clips[0, 0].video) and np.array_equal(last, clips[0, 7].video)
    assert first.shape[1:] == (3, 64, 64) and first.dtype == np.uint8
    assert some.ids == (clips.manifest.clips[0].id, clips.manifest.clips[7].id)
    assert [reference.id for reference in some.data.references] == [
        clip.id for clip in some.data.loader.dataset.manifest.clips
    ]


def test_a_network_trained_on_features_is_given_frames(recogniser):
    feeder = replace(recogniser.config.feeder_args, datatype="features", features="nowhere")
    trained = replace(recogniser, config=replace(recogniser.config, phase="test", feeder_args=feeder))
    assert next(load_int8_corpus(trained, None, 1).read_clips()).shape[1:] == (3, 64, 64)


def test_word_errors_are_those_of_the_evaluation(recogniser, data, tmp_path):
    expected = evaluate(recogniser.config, recogniser.network.model, data, recogniser.vocabulary, tmp_path)
    assert count_word_errors(recogniser, data, "") == expected.results["sequence"]


def test_no_program_that_a_checkpoint_names_is_run(recogniser, data):
    config = replace(recogniser.config, evaluate_tool="sclite", sclite_path="/nowhere/program")
    assert count_word_errors(replace(recogniser, config=config), data, "").wer > 0


def test_a_gloss_too_many_counts_once(recogniser, data):
    vocabulary, last = recogniser.vocabulary, len(data.loader.dataset) - 1
    labels = iter(data.loader.dataset.targets)
    targets = [(*tokens, tokens[0]) if i == last else tokens for i, tokens in enumerate(labels)]
    spelt = iter(targets)

    def network(_: np.ndarray) -> np.ndarray:
        tokens = next(spelt)
        logits = np.zeros((2 * len(tokens), vocabulary.num_classes), np.float32)
        logits[np.arange(len(logits)), [each for token in tokens for each in (token, 0)]] = 20
        return logits

    result = count_word_errors(replace(recogniser, network=network), data, "")
    assert (result.substitutions, result.deletions, result.insertions) == (0, 0, 1)


def test_the_command_from_beginning_to_end(random_checkpoint, prepared, tmp_path, capsys):
    """A network with random weights: what its word errors are does not matter, but that both are told."""
    copied = tmp_path / "best.pt"
    copied.write_bytes(random_checkpoint.read_bytes())
    given = ["--model-path", copied, "--format", "onnx", "--int8", "--prepared", prepared, "--calibrate", 2]
    main(parse_args([str(word) for word in [*given, "--max-loss", 100]]))
    out, lines = tmp_path / "best-int8.onnx", capsys.readouterr().out.splitlines()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-int8.onnx", "best.pt"]
    assert lines[-1].startswith(f"{out}: ") and lines[-1].endswith("MiB, in int8, ranges from 2 clips")
    recogniser, checkpoint = load_recogniser([out], "auto", None, None), Recogniser.from_checkpoint(copied, "cpu")
    clip = np.ascontiguousarray(make_random_clip(30, 72).transpose(0, 2, 3, 1))
    assert recogniser.recognise(clip).frames == checkpoint.recognise(clip).frames
    kept = ("config", "vocabulary", "frame_size", "frame_rate", "calibration", "rendered")
    assert [getattr(recogniser, name) for name in kept] == [getattr(checkpoint, name) for name in kept]
    note = read_note(out)
    corpus = load_int8_corpus(checkpoint, prepared, 2)
    assert note["calibrated_with"] == list(corpus.ids)
    assert (note["split"], note["onnxruntime"]) == ("dev", onnxruntime.__version__)
    assert note["wer_int8"] == count_word_errors(recogniser, corpus.data, "").wer
    assert note["wer_float32"] == count_word_errors(checkpoint, corpus.data, "").wer
    rows = {line.split()[0]: line for line in lines if line.startswith(("float32 ", "int8 ")) and " % " in line}
    assert f"{note['wer_float32']:.2f} %" in rows["float32"] and f"{note['wer_int8']:.2f} %" in rows["int8"]


def read_note(path: Path) -> dict:
    return json.loads(onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map[KEY])


@pytest.mark.parametrize(
    ("after", "options", "fits"), [(4.5, [], True), (4.6, [], False), (4.6, ["--max-loss", 0.6], True)]
)
def test_what_int8_may_cost(quick, random_checkpoint, prepared, tmp_path, capsys, after, options, fits):
    out = tmp_path / "model.onnx"
    out.write_text("older")
    arguments = words(random_checkpoint, prepared, out, *options)
    quick(4.0, after)
    if fits:
        main(parse_args(arguments))
        assert read_note(out) | {"calibrated_with": 0, "onnxruntime": 0} == {
            "calibrated_with": 0, "split": "dev", "wer_float32": 4.0, "wer_int8": after, "onnxruntime": 0,
        }  # fmt: skip
    else:
        said = refused(arguments)
        assert said.startswith("error: int8 costs 0.60 points of dev WER, 4.00 % -> 4.60 %, and --max-loss is 0.5;")
        assert said.endswith(f"{out} was not written")
        assert out.read_text() == "older"
    assert "4.00 %" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [out]


def test_a_better_network_is_welcome(quick, random_checkpoint, prepared, tmp_path):
    quick(4.0, 3.0)
    main(parse_args(words(random_checkpoint, prepared, tmp_path / "model.onnx", "--max-loss", 0)))
    assert read_note(tmp_path / "model.onnx")["wer_int8"] == 3.0


@pytest.mark.parametrize("step", ["quantise", "count_word_errors"])
def test_an_interruption_leaves_nothing(quick, random_checkpoint, prepared, tmp_path, monkeypatch, step):
    def interrupt(*_):
        raise KeyboardInterrupt

    quick(4.0, 4.0)
    monkeypatch.setattr(int8, step, interrupt)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with pytest.raises(KeyboardInterrupt):
        main(parse_args(words(random_checkpoint, prepared, tmp_path / "out" / "model.onnx")))
    assert list((tmp_path / "out").iterdir()) == list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "torchscript", "--int8"], "--int8 belongs to --format onnx"),
        (["--format", "torch_export", "--int8"], "torch_export keeps its weights as they are"),
        (["--format", "safetensors", "--int8"], "safetensors keeps its weights as they are"),
        (["--format", "onnx", "--calibrate", "3"], "--calibrate: of use with --int8 alone"),
        (["--format", "onnx", "--max-loss", "0", "--prepared", "x"], "--max-loss, --prepared: of use with --int8"),
    ],
)
def test_options_that_do_not_go_together(arguments, said):
    """They are refused before anything is read."""
    assert said in refused(["--model_path", "nowhere.pt", *arguments])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--calibrate", "0", "must be a whole number from 1 to"),
        ("--calibrate", "two", "must be a whole number from 1 to"),
        ("--max-loss", "nan", "must be a number from 0 to 100, not 'nan'"),
        ("--max-loss", "-1", "must be a number from 0 to 100, not '-1'"),
        ("--max-loss", "half", "must be a number from 0 to 100, not 'half'"),
    ],
)
def test_numbers_that_are_none(capsys, option, value, said):
    with pytest.raises(SystemExit):
        parse_args(["--model_path", "x.pt", "--format", "onnx", "--int8", f"{option}={value}"])
    assert said in capsys.readouterr().err


def test_what_is_wrong_with_the_corpus(random_checkpoint, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "write_equal", lambda *_: pytest.fail("the export was begun"))
    out = tmp_path / "model.onnx"
    missing = refused(words(random_checkpoint, tmp_path / "nowhere", out))
    assert f"{tmp_path / 'nowhere'} has no train.json; name the folder of the prepared corpus by --prepared" in missing
    few = refused(words(random_checkpoint, prepared, out, "--calibrate", 9))
    assert few == f"error: --calibrate 9: {prepared} has 8 training clips"
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "train.json").write_bytes((prepared / "train.json").read_bytes())
    assert "has no dev.json" in refused(words(random_checkpoint, tmp_path / "half", out))
    manifest = json.loads((prepared / "train.json").read_text(encoding="utf-8"))
    (tmp_path / "half" / "train.json").write_text(json.dumps(manifest | {"dataset": "csl"}), encoding="utf-8")
    (tmp_path / "half" / "dev.json").touch()
    assert "holds csl, not phoenix2014" in refused(words(random_checkpoint, tmp_path / "half", out))
    assert not out.exists()


def test_frames_of_another_size_are_told(recogniser, capsys):
    size = recogniser.frame_size
    load_int8_corpus(recogniser)
    assert capsys.readouterr().out == ""
    load_int8_corpus(replace(recogniser, frame_size=size + 8))
    told = f"{recogniser.config.prepared} have {size} pixels a side, those of the network {size + 8}\n"
    assert capsys.readouterr().out == f"warning: the prepared frames in {told}"


def test_the_configuration_says_where_the_corpus_lies(recogniser, tmp_path):
    elsewhere = replace(recogniser, config=replace(recogniser.config, prepared=str(tmp_path)))
    with pytest.raises(InputError, match=f"{tmp_path} has no train.json"):
        load_int8_corpus(elsewhere)
