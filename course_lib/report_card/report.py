"""The report card: the API before and after, its checklist for production, and the reader's work.

Every figure was measured in this kernel or comes from the reader's progress. Whatever the reader
hasn't done is listed as missing.
"""

import html
import os
import platform
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from course_lib.lab import events, paths, plots, predictions, redis_server, show
from course_lib.report_card.budget import hit_rates, measures, traffic_in_words
from course_lib.report_card.checklist import Checklist
from course_lib.report_card.learner import LESSONS, lessons, misconceptions
from course_lib.report_card.traffic import Stress
from course_lib.report_card.trial import Trials

__all__ = ["ReportCard", "lessons", "misconceptions"]

SHORTENED = "shortened, not comparable"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }}
body {{ color: #222; background: #fff }}
table {{ border-collapse: collapse; margin: .5em 0 }}
td, th {{ padding: .3em .8em; border-bottom: 1px solid #ddd }}
td, th {{ text-align: left; vertical-align: top }}
</style></head><body>
{body}
</body></html>
"""


@dataclass(frozen=True)
class ReportCard:
    """The complete report card: `table`, `picture`, and `save` to keep it as an HTML page.

    It compares the API without a fix with the last trial that met the budget, and shows all
    trials. `monday` is what the reader will change at work. JupyterLab displays the same page.
    """

    trials: Trials
    stress: Stress
    checklist: Checklist
    monday: str = ""

    @property
    def short(self) -> bool:
        """True if any of the measurements was shortened."""
        return self.stress.short or any(trial.short for trial in self.trials.done)

    def table(self) -> pd.DataFrame:
        """Return the measures: before, after, the target, and whether it's met."""
        before, after = self.trials.before(), self.trials.final()
        rows = {}
        for old, new in zip(measures(before), measures(after), strict=True):
            rows[new.name] = {
                "before": old.text,
                "after": new.text,
                "target": new.target_text,
                "": new.verdict,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def picture(self) -> plots.Picture:
        """Return a plot of before and after as multiples of each target."""
        before, after = self.trials.before(), self.trials.final()
        multiples = {}
        labels = {}
        targets_met = 0
        for old, new in zip(measures(before), measures(after), strict=True):
            name = f"{new.name}\n{new.target_text.partition(',')[0]}"
            multiples[name] = old.of_target, new.of_target
            labels[name] = _number_alone(old.text), _number_alone(new.text)
            targets_met += new.met
        title = f"{targets_met} of {len(multiples)} targets are met"
        if self.short:
            title += f" ({SHORTENED})"
        picture = plots.against_target(multiples, labels, title)
        return picture.with_footer(f"{_machine()}\n{traffic_in_words()}")

    def save(self) -> str:
        """Write the page and its picture beside the learner's copies, and return where they are.

        Raises OSError if the folder can't be written.
        """
        paths.WORK.mkdir(parents=True, exist_ok=True)
        page, picture = paths.WORK / "report_card.html", paths.WORK / "report_card.png"
        picture.write_bytes(self.picture().png())
        body = self._repr_html_()
        page.write_text(PAGE.format(title=self._heading(), body=body), encoding="utf-8")
        folder = os.path.relpath(paths.WORK, paths.ROOT)
        return f"saved {page.name} and {picture.name} in {folder}"

    def __repr__(self) -> str:
        return f"{self._heading()}\n{self.table().to_string()}\n{self.checklist!r}"

    def _heading(self) -> str:
        return f"Report card: {SHORTENED}" if self.short else "Report card"

    def _repr_html_(self) -> str:
        final = self.trials.final()
        board = predictions.board(*LESSONS, "report_card")
        ready = f"{self.checklist.met} of {len(self.checklist.points)}"
        parts = [
            f"<h2>{html.escape(self._heading())}</h2>",
            f"<p>{html.escape(_machine())}</p>",
            f"<p>{html.escape(f'After: {final.described}.')}</p>",
            self.picture()._repr_html_(),
            _shown(self.table()),
            "<h3>What each fix does alone</h3>",
            _shown(self.trials.each_fix()),
            "<h3>Cache hits</h3>",
            _shown(hit_rates(final)),
            "<h3>All trials</h3>",
            _shown(self.trials.table()),
            "<h3>Many users at once (a closed load)</h3>",
            self.stress._repr_html_(),
            f"<h3>Ready for production: {ready}</h3>",
            self.checklist._repr_html_(),
            f"<h3>The lessons</h3>{_shown(lessons())}",
            f"<h3>Predicted and measured</h3>{_shown(board)}",
            f"<h3>Misconceptions, met and cleared</h3>{_shown(misconceptions())}",
        ]
        if self.monday:
            parts += ["<h3>What I change on Monday</h3>", f"<p>{html.escape(self.monday)}</p>"]
        return "\n".join(parts)


def _number_alone(text: str) -> str:
    """Return a measure's number without its explanation: "8.1%" for "8.1% of 300"."""
    return text.partition(" of ")[0]


def _machine() -> str:
    """Return when and on what machine this was measured."""
    return (
        f"{datetime.now():%Y-%m-%d %H:%M}; "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{redis_server.version()}; {events.rows():,} events"
    )


def _shown(content: Any) -> str:
    """Return a data frame, or anything that JupyterLab can display, as HTML."""
    if isinstance(content, pd.DataFrame):
        return show.data_frame(content)
    shown: str = content._repr_html_()
    return shown
