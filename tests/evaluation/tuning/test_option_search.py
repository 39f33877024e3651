"""The search for options, on functions whose best values are known."""

from __future__ import annotations

import pytest

from evaluation.tuning.option_search import AXES, SearchOptions, Trials, search_options

OFF = SearchOptions(beam_width=10)


def search(count_errors, has_lm=True, beam_width=10):
    return search_options(count_errors, beam_width, has_lm)


def bowl(options: SearchOptions) -> int:
    """Fewest errors, 100, around a weight of 0.6, a bonus of 1.6 that goes with it, and a penalty of 0.8; in steps."""
    weight, bonus, penalty = options.lm_weight - 0.6, options.insertion_bonus - 1.6, options.blank_penalty - 0.8
    return 100 + int(8 * (10 * weight**2 + (bonus - 2 * weight) ** 2 + penalty**2))


def test_the_best_values_between_those_of_the_grid_are_found():
    found = search(bowl)
    assert found.errors[found.best] == 100
    assert abs(found.best.lm_weight - 0.6) < 0.12
    assert abs(found.best.blank_penalty - 0.8) < 0.4
    assert len(found.errors) < 400


def test_values_beyond_the_grid_are_found_but_not_beyond_the_ends():
    found = search(lambda options: int(100 - 10 * options.blank_penalty - options.lm_weight))
    assert found.best.blank_penalty == AXES["blank_penalty"].most
    assert all(0 <= options.lm_weight <= AXES["lm_weight"].most for options in found.errors)


def test_what_gains_nothing_stays_off_and_the_beam_becomes_small():
    assert search(lambda _: 7).best == OFF._replace(beam_width=5)
    assert search(lambda _: 7, beam_width=3).best == OFF._replace(beam_width=3)


def test_an_option_that_gains_alone_leaves_the_others_off():
    found = search(lambda options: 9 if options.insertion_bonus >= 1.5 else 10)
    assert found.best == SearchOptions(0.0, 1.5, 0.0, 5)


def test_two_options_that_gain_as_much_alone_are_not_both_on():
    found = search(lambda options: 9 if options.insertion_bonus >= 1 or options.blank_penalty >= 2 else 10)
    assert found.best == SearchOptions(0.0, 1.0, 0.0, 5)


def test_a_wider_beam_is_taken_only_for_fewer_errors():
    assert search(lambda options: 9 if options.beam_width >= 20 else 10).best == OFF._replace(beam_width=20)


def test_a_wider_beam_may_want_other_values():
    def count(options):
        best = 2.25 if options.beam_width >= 20 else 2
        return 5 + 40 * (options.beam_width < 20) + int(4 * abs(options.blank_penalty - best))

    assert search(count).best == SearchOptions(0.0, 0.0, 2.25, 20)


def test_without_a_language_model_its_weight_is_not_tried():
    found = search(bowl, has_lm=False)
    assert {options.lm_weight for options in found.errors} == {0.0}
    assert found.best.blank_penalty == 0.75


def test_nothing_is_tried_twice():
    tried = []
    search(lambda options: tried.append(options) or bowl(options))
    assert len(tried) == len(set(tried))


def test_an_interruption_goes_through():
    def interrupt(options):
        if options.blank_penalty == 2:
            raise KeyboardInterrupt
        return 1

    with pytest.raises(KeyboardInterrupt):
        search(interrupt)


def test_of_equal_options_those_count_that_do_the_least():
    trials = Trials(lambda _: 3)
    trials.try_all([SearchOptions(0.25, 1, 0, 5), SearchOptions(0, 3, 0, 40), SearchOptions(0, 2, 0, 40)], "")
    assert trials.best == SearchOptions(0, 2, 0, 40)
    trials.try_all([SearchOptions(0, 2, 0, 20), SearchOptions(0, -2, 0, 20)], "")
    assert trials.best.beam_width == 20
