from utils.table import format_table


def test_columns_are_as_wide_on_the_terminal_as_their_widest_cell():
    assert format_table(["gloss", "s"], [["下雨", "1.5"], ["KÄLTE", "10"]]) == "gloss    s\n下雨   1.5\nKÄLTE   10"


def test_an_accent_of_its_own_takes_no_column():
    assert format_table(["gloss", "s"], [["KA\u0308LTE", "1"]]).splitlines() == ["gloss  s", "KA\u0308LTE  1"]


def test_more_columns_of_text():
    rows = [("a", "好", "long text"), ("bcd", "", "")]
    assert format_table(("x", "name", "text"), rows, left=3).split("\n") == [
        "x    name  text",
        "a    好    long text",
        "bcd",
    ]
