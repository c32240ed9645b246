"""Pictures fit both themes, have alt text, and get a log axis if their values need one."""

import base64
import html
import io
import re

import pytest
from matplotlib.image import imread

from course_lib.lab import plots
from course_lib.lab.comparison import Ratio

SLOW, FAST = [0.011, 0.010, 0.012], [0.0011, 0.0010, 0.0012]


def times(**samples):
    medians = {name: sorted(values)[len(values) // 2] for name, values in samples.items()}
    return plots.times(samples, medians, "One message", "time of one call")


PICTURES = {
    "times": times(slow=SLOW, fast=FAST),
    "bars": plots.bars({"table": 107.3, "index": 12.0}, "One message", "MB on disk"),
    "gains": plots.gains({"lookup": 1500.0, "sum": 0.6}, "One message"),
    "lines": plots.lines(
        {"hits": [(1, 10), (3, 95.5)], "stale": [(1, 0), (3, 60)]}, "One message", "seconds", "%"
    ),
    "admitted": plots.admitted(
        {
            "log": [(0.0, True), (0.0, False), (2.0, True)],
            "window": [(0.0, True), (0.0, True), (2.0, True)],
        },
        "One message",
        {"log": "two", "window": "three"},
    ),
}
each_picture = pytest.mark.parametrize("picture", PICTURES.values(), ids=list(PICTURES))


def axes(picture):
    return picture.figure.axes[0]


def image_in(tag):
    return base64.b64decode(re.search('base64,([^"]*)"', tag)[1])


@each_picture
def test_a_picture_that_is_saved_is_opaque_on_white(picture):
    pixels = imread(io.BytesIO(picture.png()), format="png")
    assert pixels.shape[2] == 3 or (pixels[:, :, 3] == 1).all()
    assert (pixels[0, 0, :3] == 1).all()


@each_picture
def test_a_picture_on_the_page_is_transparent_and_white_only_outside_the_dark_theme(picture):
    pixels = imread(io.BytesIO(image_in(picture._repr_html_())), format="png")
    assert (pixels[0, 0, 3], pixels[-1, -1, 3]) == (0, 0)
    assert (pixels[:, :, 3] == 0).mean() > 0.5, "the axes have a background"
    assert "background:white" in picture._repr_html_()
    assert '[data-jp-theme-light="false"] img.course-picture' in picture._repr_html_()


@each_picture
def test_jupyterlab_gets_an_image_with_alt_text(picture):
    tag = picture._repr_html_()
    assert html.unescape(re.search('alt="([^"]*)"', tag)[1]) == picture.alt
    assert picture.alt in repr(picture)


@each_picture
def test_a_pictures_message_is_its_title_and_its_axis_has_a_label(picture):
    assert axes(picture).get_title(loc="left") == "One message"
    assert picture.alt.startswith("One message. ")
    assert axes(picture).get_xlabel()


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("times", "Medians: slow 11 ms, fast 1.1 ms."),
        ("bars", "MB on disk: table 107, index 12."),
        ("gains", "Times faster: lookup 1,500, sum 0.6."),
        ("lines", "%: hits from 10 to 95.5, stale from 0 to 60."),
        ("admitted", "Admitted: log 2 of 3, window 3 of 3."),
    ],
)
def test_the_alt_text_has_the_figures(picture, words):
    assert PICTURES[picture].alt.endswith(words)


def test_counts_are_marked_by_whole_numbers_and_a_question_ends_once():
    picture = plots.bars({"each": 16, "one": 1}, "How many?", "loads")
    assert all(tick == int(tick) for tick in picture.figure.axes[0].get_xticks())
    assert picture.alt.startswith("How many? loads: ")


def test_a_ratio_is_written_beyond_its_interval():
    ratios = {"faster": Ratio(10, 8, 30), "slower": Ratio(0.5, 0.1, 0.6), "too few": 2}
    labels = plots.gains(ratios, "Gains").figure.axes[0].texts
    assert [label.xy[0] for label in labels] == [30, 0.1, 2]


def test_alt_text_cannot_end_the_tag():
    tag = plots.bars({"a": 1}, 'A "quoted" <title>', "rows")._repr_html_()
    assert '<img alt="A &quot;quoted&quot; &lt;title&gt;. rows: a 1." class="' in tag


def test_the_axis_is_logarithmic_and_says_so_if_values_span_a_factor_of_ten():
    wide, narrow = times(slow=SLOW, fast=FAST), times(one=SLOW, other=[0.020, 0.021, 0.022])
    assert (axes(wide).get_xscale(), axes(narrow).get_xscale()) == ("log", "linear")
    assert "log scale" in axes(wide).get_xlabel()
    assert "log scale" not in axes(narrow).get_xlabel()
    assert axes(narrow).get_xlim()[0] == 0


def test_lines_get_a_log_axis_if_they_span_a_factor_of_ten_and_none_is_zero():
    wide = axes(plots.lines({"one": [(0, 1), (1, 100)]}, "One message", "seconds", "ms", mark=0.5))
    assert (wide.get_yscale(), wide.get_ylabel()) == ("log", "ms (log scale)")
    assert axes(PICTURES["lines"]).get_yscale() == "linear", "a zero has no place on a log axis"
    assert [list(line.get_xdata()) for line in wide.lines] == [[0, 1], [0.5, 0.5]]


def test_lines_differ_in_color_and_in_style():
    one, other = axes(PICTURES["lines"]).lines
    assert one.get_color() != other.get_color()
    assert one.get_linestyle() != other.get_linestyle()


def test_every_sample_is_a_dot_and_every_variant_a_named_row():
    drawn = axes(times(slow=SLOW, fast=FAST))
    dots = [line for line in drawn.lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == [sorted(SLOW), sorted(FAST)]
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["slow", "fast"]


def test_a_gain_goes_to_the_right_of_one_and_a_loss_to_the_left_in_another_color():
    gain, loss = axes(PICTURES["gains"]).patches
    assert (gain.get_x(), gain.get_x() + gain.get_width()) == (1, 1500)
    assert loss.get_x() + loss.get_width() == pytest.approx(0.6)
    assert gain.get_facecolor() != loss.get_facecolor()


def test_admitted_requests_are_above_the_line_and_rejected_ones_below_in_another_color():
    above, below, *_ = (
        line for line in axes(PICTURES["admitted"]).lines if line.get_marker() == "o"
    )
    assert list(above.get_xdata()) == [0, 2]
    assert list(below.get_xdata()) == [0]
    assert max(above.get_ydata()) < 0 < min(below.get_ydata())  # the axis points downwards
    assert axes(PICTURES["admitted"]).yaxis_inverted()
    assert above.get_color() != below.get_color()
    words = [text.get_text() for text in axes(PICTURES["admitted"]).get_legend().get_texts()]
    assert words == ["admitted: above the line", "rejected: below the line"]


def test_a_burst_of_a_millisecond_leaves_the_times_readable():
    requests = {"log": [(59.999, True), (60.0, False)]}
    drawn = axes(plots.admitted(requests, "A burst", {"log": ""}))
    start, end = drawn.get_xlim()
    assert end - start == pytest.approx(plots.SHORTEST_TIME_AXIS)
    assert not drawn.xaxis.get_major_formatter().get_useOffset()


def test_colors_are_seven_different_ones():
    assert len(set(plots.COLORS)) == 7


def test_a_ratio_with_an_interval_has_a_line_from_bound_to_bound():
    drawn = axes(plots.gains({"lookup": Ratio(20.0, 15.0, 30.0), "sum": 0.6}, "One message"))
    assert [list(line.get_xdata()) for line in drawn.lines] == [[15, 30], [1, 1]]


def test_a_median_with_an_interval_has_a_line_across_it():
    picture = plots.times(
        {"fast": FAST}, {"fast": 0.0011}, "One", "time", {"fast": (0.001, 0.0012)}
    )
    assert [0.001, 0.0012] in [list(line.get_xdata()) for line in axes(picture).lines]


def test_a_footer_is_in_the_image():
    picture = plots.bars({"a": 1.0}, "One message", "rows")
    before = len(imread(io.BytesIO(picture.png()), format="png"))
    after = picture.with_footer("2 cores, Linux\n10 requests a second")
    assert len(imread(io.BytesIO(after.png()), format="png")) > before
