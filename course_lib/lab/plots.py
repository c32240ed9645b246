"""Pictures with one message each: a sentence as the title, units on the axes, and alt text.

`picture.py` shows them in both themes, and `plot_axes.py` has what they share. Each kind has a file
of its own.
"""

from course_lib.lab.picture import Picture
from course_lib.lab.plot_axes import COLORS, in_words
from course_lib.lab.plot_bars import bars, gains
from course_lib.lab.plot_dots import SHORTEST_TIME_AXIS, admitted, against_target, times
from course_lib.lab.plot_lines import lines

__all__ = [
    "COLORS",
    "SHORTEST_TIME_AXIS",
    "Picture",
    "admitted",
    "against_target",
    "bars",
    "gains",
    "in_words",
    "lines",
    "times",
]
