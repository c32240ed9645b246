"""The report card: what the API was and is, by the guide's own measures, and what the learner predicted and cleared.

Everything in it was measured in this kernel or recorded in the learner's progress; nothing is typed in. What was not
done is named as missing.
"""

import html
import math
import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from course_lib.lab import events, paths, plots, predictions, progress, redis_server, show
from course_lib.lab.bench import percentile
from course_lib.lab.lessons import is_exercise, lesson_name, lesson_number, read, shipped
from course_lib.report_card import traffic
from course_lib.report_card.checklist import Checklist
from course_lib.report_card.traffic import STATS, Attack, Replay, Stress

LESSONS = ("caching", "indexing", "rate_limiting", "monitoring")
# Refusals that are slips, and no misconceptions.
SLIPS = {"raised", "endless", "wrong_type", "cannot_check"}
SHORTENED = "shortened, not comparable"

# The guide's targets.
STATS_SECONDS, P90_SECONDS, HIT_RATE, STATEMENTS = 0.02, 0.1, 0.8, 200
GUIDES_STATEMENTS = 1_000  # a minute, before
LEAST_MISSES = 0.002  # as a share: none at all has no place on a log axis


# --- the learner ------------------------------------------------------------------------------------------------------


def lessons() -> pd.DataFrame:
    """Each lesson: exercises solved, predictions, misconceptions met and cleared; a lesson not begun is missing."""
    rows = {}
    for lesson in shipped():
        name = lesson_name(lesson)
        if name not in LESSONS:
            continue
        exercises = sum(map(is_exercise, read(lesson).cells))
        solved = sum(each["verdict"] == "right" for each in progress.verdicts(name).values())
        met = _misconceptions(name)
        rows[f"{lesson_number(lesson)} {name.replace('_', ' ')}"] = {
            "state": "done" if solved == exercises else "begun" if solved else f"missing: open {lesson.name}",
            "exercises": f"{solved} of {exercises}",
            "predictions": len(progress.latest("prediction", name)),
            "misconceptions met": len(met),
            "cleared": sum(each["cleared"] == "yes" for each in met),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("lesson")


def misconceptions() -> pd.DataFrame | show.Card:
    """What was wrong with answers on the way, in the words of the checks, and whether a right answer came after it."""
    met = [row for lesson in LESSONS for row in _misconceptions(lesson)]
    if not met:
        return show.Card("No misconceptions", "No check has refused an answer of yours for a reason of its own so far.")
    return pd.DataFrame(met).set_index("exercise")


def _misconceptions(lesson: str) -> list[dict[str, str]]:
    """The misconceptions met in a lesson, each once for an exercise."""
    met: dict[tuple[str, str], dict[str, str]] = {}
    for entry in progress.records("verdict", lesson):
        name = entry["name"]
        if entry.get("verdict") == "right":
            for (exercise, _), row in met.items():
                row["cleared"] = "yes" if exercise == name else row["cleared"]
        elif (misconception := entry.get("misconception")) and misconception not in SLIPS:
            sentence = str(entry.get("sentence", misconception))
            met[name, misconception] = {"exercise": name, "misconception": sentence, "cleared": "not yet"}
    return list(met.values())


# --- the API ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A line of the guide's table; `of_target` is before and after as multiples of the target, for the picture."""

    name: str
    before: str
    after: str
    target: str
    met: bool
    traffic: str
    of_target: tuple[float, float] | None = None


def metrics(replay: Replay, attack: Attack) -> list[Metric]:
    """The guide's five measures, from these runs."""
    off, on = replay.off, replay.on
    same = f"the same {off.requests:,} requests at {replay.rate:.3g} a second, latency from when each was due"
    hits, hits_of_users = on.hit_rate(), on.hit_rate(of_users=True)
    asked = [side.statements_per_thousand(STATS) for side in (off, on)]
    scaled = GUIDES_STATEMENTS * asked[1] / asked[0]
    mix = [side.statements_per_thousand() for side in (off, on)]
    return [
        _timed(
            "stats endpoint, P50",
            [percentile(side.latencies(STATS), 50) for side in (off, on)],
            STATS_SECONDS,
            f"{same}; {len(on.latencies(STATS))} of them stats, hits and misses together",
        ),
        Metric(
            "cache hit rate",
            "no cache",
            _share(hits),
            f"over {HIT_RATE:.0%}",
            hits > HIT_RATE,
            f"the platform's key, TTL 60 s; the users' keys {_share(hits_of_users)}, TTL 300 s; "
            f"in the warm-up, with nothing cached, {_share(replay.cold.hit_rate())} "
            f"and {_share(replay.cold.hit_rate(of_users=True))}",
            (1 / (1 - HIT_RATE), max(1 - hits, LEAST_MISSES) / (1 - HIT_RATE)),
        ),
        Metric(
            "database queries a minute",
            f"{GUIDES_STATEMENTS:,}",
            show.number(round(scaled)),
            f"under {STATEMENTS}",
            scaled < STATEMENTS,
            f"scaled to the guide's {GUIDES_STATEMENTS:,}: statements for 1,000 stats {asked[0]:,.0f} and "
            f"{asked[1]:,.0f}; for 1,000 requests of the whole mix {mix[0]:,.0f} and {mix[1]:,.0f}",
            (GUIDES_STATEMENTS / STATEMENTS, max(scaled, 1) / STATEMENTS),
        ),
        _timed(
            "response time, P90",
            [percentile(side.latencies(), 90) for side in (off, on)],
            P90_SECONDS,
            f"{same}; all that was admitted; refused {on.refused()}, failed {off.failures()} and {on.failures()}",
        ),
        Metric(
            "refused under attack",
            "none",
            f"{attack.refused:,} of the attacker's {attack.sent(traffic.ATTACKER):,}, "
            f"{attack.honest_refused:,} of the others' {attack.sent(traffic.HONEST):,}",
            "some, and no false one",
            attack.honest_refused == 0 and 0 < attack.admitted <= attack.most,
            f"{traffic.CLIENTS} clients at three quarters of their limit, one at ten times it; "
            f"it lets through {attack.most:,} at most",
        ),
    ]


def _timed(name: str, seconds: Sequence[float], target: float, traffic: str) -> Metric:
    """A measure of seconds, before and after, that is to be under a target."""
    before, after = seconds
    said = [show.duration(each) for each in (before, after, target)]
    of_target = before / target, after / target
    return Metric(name, said[0], said[1], f"under {said[2]}", after < target, traffic, of_target)


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.1%}"


# --- the card ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReportCard:
    """The whole of it: `table` and `picture`, and `save` for a page to keep. JupyterLab shows it as that page."""

    replay: Replay
    attack: Attack
    stress: Stress
    checklist: Checklist

    @property
    def short(self) -> bool:
        """Whether any part of it was measured briefly, for a test."""
        return self.replay.short or self.attack.short or self.stress.short

    def table(self) -> pd.DataFrame:
        """The guide's table: before, after, target, whether it is met, and the traffic that it was measured under."""
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
        """Before and after, as multiples of each target."""
        shown = [metric for metric in metrics(self.replay, self.attack) if metric.of_target]
        met = sum(metric.met for metric in shown)
        title = f"{met} of {len(shown)} targets are met" + f" ({SHORTENED})" * self.short
        return plots.against_target(
            {f"{metric.name}\n{metric.target}": metric.of_target for metric in shown if metric.of_target},
            {f"{metric.name}\n{metric.target}": (metric.before, metric.after) for metric in shown},
            title,
        )

    def __repr__(self) -> str:
        return f"{self._heading()}\n{self.table().to_string()}\n{self.checklist!r}"

    def _heading(self) -> str:
        return "Report card" + f": {SHORTENED}" * self.short

    def _repr_html_(self) -> str:
        return "\n".join(self._parts())

    def _parts(self) -> list[str]:
        return [
            f"<h2>{html.escape(self._heading())}</h2>",
            f"<p>{html.escape(_machine())}</p>",
            self.picture()._repr_html_(),
            _table(self.table()),
            f"<h3>Many users at once (a closed load)</h3><p>{html.escape(repr(self.stress))}</p>",
            f"<h3>Ready for production: {self.checklist.met} of {len(self.checklist.points)}</h3>",
            self.checklist._repr_html_(),
            f"<h3>The lessons</h3>{_table(lessons())}",
            f"<h3>Predicted, and measured</h3>{_shown(predictions.board(*LESSONS, 'report_card'))}",
            f"<h3>Misconceptions, met and cleared</h3>{_shown(misconceptions())}",
        ]

    def save(self) -> str:
        """Write the page and its picture beside the learner's copies; says where. OSError where that cannot be."""
        paths.WORK.mkdir(parents=True, exist_ok=True)
        page, picture = paths.WORK / "report_card.html", paths.WORK / "report_card.png"
        picture.write_bytes(self.picture().png())
        page.write_text(PAGE.format(title=self._heading(), body="\n".join(self._parts())), encoding="utf-8")
        return f"kept as {page.name} and {picture.name} in {os.path.relpath(paths.WORK, paths.ROOT)}"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }}
body {{ color: #222; background: #fff }}
table {{ border-collapse: collapse; margin: .5em 0 }}
td, th {{ padding: .3em .8em; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }}
</style></head><body>
{body}
</body></html>
"""


def _machine() -> str:
    """When and on what this was measured."""
    return (
        f"{datetime.now():%Y-%m-%d %H:%M}; {os.cpu_count()} cores, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {redis_server.version()}; "
        f"{events.rows():,} events"
    )


def _shown(table: pd.DataFrame | show.Card) -> str:
    return _table(table) if isinstance(table, pd.DataFrame) else table._repr_html_()


def _table(table: pd.DataFrame) -> str:
    """A table whose texts may be long: they wrap, and stand at the left."""
    rows = [["", *table.columns], *table.itertuples()]
    head, *body = ([html.escape(str(value)) for value in row] for row in rows)
    return show.table(head, body, style="text-align:left")
