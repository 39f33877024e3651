"""The built-in corpus is known as what it is; a real corpus never is taken for it."""

from dataset.rendered import BOUNDARIES, copy_mark, describe_corpus, is_rendered
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny


def test_the_built_in_corpus_is_marked_as_released_and_as_prepared(corpus, prepared):
    assert is_rendered(corpus)
    assert is_rendered(prepared)
    config = {"dataset": "phoenix2014", "prepared": str(prepared)}
    assert describe_corpus(config) == "built-in rendered corpus (in phoenix2014's layout)"


def test_a_real_corpus_has_no_mark_also_where_the_built_in_one_was_prepared_before(tmp_path):
    root, out = tiny.phoenix2014(tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    (out / BOUNDARIES).write_text("{}")
    prepare("phoenix2014", root, out)
    assert not is_rendered(out)
    assert describe_corpus({"dataset": "phoenix2014", "prepared": str(out)}) == "phoenix2014"
    (root / BOUNDARIES).write_text("{}")
    copy_mark(root, out)
    assert is_rendered(out)
