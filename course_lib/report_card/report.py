"""The report card: the API before and after, ready for production or not, and what the learner did.

Every figure was measured in this kernel or comes from the learner's progress. Whatever wasn't done
is listed as missing.
"""

import html
import os
import platform
import sqlite3
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from course_lib.lab import events, paths, plots, predictions, redis_server, show
from course_lib.report_card.checklist import Checklist
from course_lib.report_card.learner import LESSONS, lessons, misconceptions
from course_lib.report_card.metrics import metrics
from course_lib.report_card.traffic import Attack, SameTraffic, Stress

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

    JupyterLab displays the same page.
    """

    replay: SameTraffic
    attack: Attack
    stress: Stress
    checklist: Checklist

    @property
    def short(self) -> bool:
        """True if any part was shortened for a test."""
        return self.replay.short or self.attack.short or self.stress.short

    def table(self) -> pd.DataFrame:
        """Return the measures: before, after, target, and the traffic they were measured under."""
        rows = {
            metric.name: {
                "before": metric.before,
                "after": metric.after,
                "target": metric.target,
                "met": "met" if metric.met else "NOT MET",
                "measured under": metric.traffic,
            }
            for metric in metrics(self.replay, self.attack)
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def picture(self) -> plots.Picture:
        """Return a plot of before and after as multiples of each target."""
        multiples, labels = {}, {}
        targets_met = 0
        for metric in metrics(self.replay, self.attack):
            if metric.of_target:
                name = f"{metric.name}\n{metric.target}"
                multiples[name] = metric.of_target
                labels[name] = (metric.before, metric.after)
                targets_met += metric.met
        title = f"{targets_met} of {len(multiples)} targets are met"
        if self.short:
            title += f" ({SHORTENED})"
        return plots.against_target(multiples, labels, title)

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
        board = predictions.board(*LESSONS, "report_card")
        ready = f"{self.checklist.met} of {len(self.checklist.points)}"
        parts = [
            f"<h2>{html.escape(self._heading())}</h2>",
            f"<p>{html.escape(_machine())}</p>",
            self.picture()._repr_html_(),
            _table(self.table()),
            "<h3>Many users at once (a closed load)</h3>",
            f"<p>{html.escape(repr(self.stress))}</p>",
            f"<h3>Ready for production: {ready}</h3>",
            self.checklist._repr_html_(),
            f"<h3>The lessons</h3>{_table(lessons())}",
            f"<h3>Predicted and measured</h3>{_table_or_card(board)}",
            f"<h3>Misconceptions, met and cleared</h3>{_table_or_card(misconceptions())}",
        ]
        return "\n".join(parts)


def _machine() -> str:
    """Return when and on what machine this was measured."""
    return (
        f"{datetime.now():%Y-%m-%d %H:%M}; "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{redis_server.version()}; {events.rows():,} events"
    )


def _table_or_card(content: pd.DataFrame | predictions.Board | show.Card) -> str:
    if isinstance(content, pd.DataFrame):
        return _table(content)
    return content._repr_html_()


def _table(table: pd.DataFrame) -> str:
    """Return a table as HTML, aligned to the left so that long texts wrap well."""
    head = [html.escape(str(column)) for column in ["", *table.columns]]
    body = [[html.escape(str(value)) for value in row] for row in table.itertuples()]
    return show.table(head, body, style="text-align:left")
