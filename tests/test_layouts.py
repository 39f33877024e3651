"""From a corpus in each layout to a report, by the commands that people type; no clip is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config.load import load_config
from dataset.synthetic.generate import generate
from preprocess import doctor
from preprocess import prepare as preparation
from tests.helpers import corpora as tiny
from tests.helpers.commands import call_main
from tests.helpers.loading import build_loader, load_manifest, load_vocabulary

CLIPS = {"train": 4, "dev": 2, "test": 2}


def videos(root: Path) -> None:
    rows = []
    for number, split in enumerate(split for split, count in CLIPS.items() for _ in range(count)):
        tiny.write_video(root / f"{number}.mp4", frames=24)
        rows.append(f"clip{number},{number}.mp4,Signer{number % 2},A B,{split}")
    tiny.write_lines(root / "labels.csv", "id,path,signer,glosses,split", *rows)


def build(dataset: str, root: Path) -> None:
    if dataset == "custom":
        videos(root)
    else:
        generate(dataset, root, glosses=5, train=4, dev=2, test=2, seed=1, workers=1)


def prepare(dataset: str, root: Path, output: Path, *options: str) -> None:
    given = ["--dataset", dataset, "--dataset-root", str(root), "--output", str(output), "--process-image"]
    assert preparation.main(preparation.parse_args([*given, "--frame-size", "72", "--workers", "1", *options])) == 0


def examine(dataset: str, root: Path, output: Path) -> int:
    given = ["--dataset", dataset, "--dataset-root", str(root), "--prepared", str(output), "--workers", "1"]
    return doctor.main(doctor.parse_args(given))


def splits_of(run: Path) -> dict[str, dict]:
    return json.loads((run / "report.json").read_text(encoding="utf-8"))["splits"]


@pytest.mark.parametrize("dataset", ["phoenix2014", "phoenix2014-T", "CSL-Daily", "CSL", "custom"])
def test_from_a_corpus_to_a_report(tmp_path, dataset):
    root, out, run = tmp_path / "corpus", tmp_path / "out", tmp_path / "run"
    build(dataset, root)
    assert examine(dataset, root, out) == 0
    prepare(dataset, root, out)
    assert examine(dataset, root, out) == 0
    call_main(out, run, "--num-epoch", "1", f"dataset={dataset}")
    reported = splits_of(run)
    assert list(reported) == (["dev"] if dataset == "CSL" else ["dev", "test"])
    settings = {"dataset": dataset, "prepared": str(out), "num_worker": 0, "feeder_args.input_size": 64}
    config, _ = load_config(None, settings)
    for split in ("train", *reported):
        manifest = load_manifest(config, split)
        ids = [clip.id for clip in manifest.clips]
        assert len(ids) == CLIPS[split]
        stm = (out / f"{dataset}-groundtruth-{split}.stm").read_text(encoding="utf-8").splitlines()
        assert [line.split()[0] for line in stm] == ids
        loader = build_loader(config, manifest, load_vocabulary(config), training=split == "train")
        assert sorted(clip for batch in loader for clip in batch.ids) == sorted(ids)
        if split != "train":
            assert [sentence["id"] for sentence in reported[split]["sentences"]] == ids


def test_packed_frames_give_what_the_folders_give(tmp_path):
    root, out, run = tmp_path / "corpus", tmp_path / "out", tmp_path / "run"
    build("phoenix2014", root)
    prepare("phoenix2014", root, out, "--pack", "lmdb")
    packed = ["feeder_args.datatype=lmdb", "feeder_args.bucket=true"]
    call_main(out, run, "--num-epoch", "1", *packed)
    weights = ["--phase", "test", "--load-weights", str(run / "last.pt")]
    call_main(out, tmp_path / "lmdb", *weights, *packed)
    call_main(out, tmp_path / "folder", *weights)
    assert splits_of(tmp_path / "lmdb") == splits_of(tmp_path / "folder")
    for split in ("dev", "test"):
        name = f"output-hypothesis-{split}.ctm"
        assert (tmp_path / "lmdb" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()
