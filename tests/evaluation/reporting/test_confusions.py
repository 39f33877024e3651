"""The tables of glosses that went wrong."""

from evaluation.reporting.confusions import build_confusion_matrix, list_unseen


def test_case_of_a_to_z_makes_no_gloss_unseen():
    assert list_unseen([[("C", "wetter", "WETTER"), ("D", "ä", None)]], {"WETTER", "Ä"}) == [
        {"gloss": "ä", "count": 1, "correct": 0}
    ]


def test_confusion_matrix_by_hand():
    split = {
        "confusions": [
            {"reference": "A", "hypothesis": "X", "count": 4, "of": 9},
            {"reference": "A", "hypothesis": "Y", "count": 1, "of": 9},
            {"reference": "B", "hypothesis": "X", "count": 1, "of": 5},
            {"reference": "C", "hypothesis": "Z", "count": 1, "of": 2},
        ],
        "deleted": [{"gloss": "B", "count": 2, "of": 5}],
    }
    assert build_confusion_matrix(split, rows=2, columns=1) == {
        "columns": ["X"],
        "rows": [
            {"gloss": "A", "of": 9, "errors": 5, "cells": [4], "others": 1, "deleted": 0},
            {"gloss": "B", "of": 5, "errors": 3, "cells": [1], "others": 0, "deleted": 2},
        ],
        "largest": 4,
    }
    assert build_confusion_matrix({"confusions": [], "deleted": []}) == {"columns": [], "rows": [], "largest": 0}
