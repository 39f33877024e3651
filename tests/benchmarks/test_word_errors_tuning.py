"""Options that `benchmarks.word_errors` searches alone, on a made-up count of errors."""

from benchmarks.word_errors_tuning import count_searched
from evaluation.tuning.option_search import SearchOptions, search_options

OFF = SearchOptions(beam_width=10)


def count(options: SearchOptions) -> int:
    """Every option alone mends something, all together most; the best penalty is 2."""
    good = (options.lm_weight > 0.5) + (options.insertion_bonus > 0) + (options.beam_width > 10)
    return 100 - 10 * good + int(4 * abs(options.blank_penalty - 2))


def test_an_option_is_searched_alone():
    alone = search_options(count_searched(count, OFF, ["blank_penalty"]), 10, has_lm=False)
    assert (alone.best, alone.errors[alone.best]) == (OFF._replace(blank_penalty=2.0), 100)
    assert sum(errors < 1000 for errors in alone.errors.values()) < 15  # the others are not counted


def test_all_options_are_searched():
    found = search_options(count_searched(count, OFF, SearchOptions._fields), 10, has_lm=True)
    assert found.errors[found.best] == 70
