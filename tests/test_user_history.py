"""The rows of a wrong page are shown from the first one that is wrong."""

import pytest

from course_lib.exercises.user_history import from_first_difference


@pytest.mark.parametrize(
    ("rows", "others", "first", "second"),
    [
        ([1, 2, 4], [1, 2, 3], "rows: 3; from row 3: [4]", "rows: 3; from row 3: [3]"),
        ([1, 2], [1], "rows: 2; from row 2: [2]", "rows: 1; from row 2: none"),
        ([], [1], "rows: 0; from row 1: none", "rows: 1; from row 1: [1]"),
    ],
)
def test_two_lists_are_shown_from_their_first_difference(rows, others, first, second):
    assert from_first_difference(rows, others) == (first, second)
