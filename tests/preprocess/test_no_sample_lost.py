"""Manifest, loader and references have the same clips, the last one included, which earlier systems never read."""

import pytest

from dataset.clip_dataset import ClipDataset
from preprocess.corpora.registry import CORPORA
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny
from utils.temporal import TemporalSpec


@pytest.mark.parametrize("name", CORPORA)
def test_counts_agree(tmp_path, name):
    prepared = prepare(name, tiny.BUILDERS[name](tmp_path / "corpus"), tmp_path / "out")
    for manifest in prepared.manifests:
        stm = (tmp_path / f"out/{name}-groundtruth-{manifest.split}.stm").read_text(encoding="utf-8").splitlines()
        clips = ClipDataset(manifest, prepared.vocabulary, None, TemporalSpec(), seed=0)
        assert len(clips) == len(manifest.clips) == len(stm) > 0
        assert stm[-1].split()[0] == manifest.clips[-1].id
        assert prepared.vocabulary.decode(clips.targets[-1]) == manifest.clips[-1].glosses
