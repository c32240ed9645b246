"""Measure any choice of fixes under the same traffic, and score it against a budget.

    trials = Trials()
    trials.run({})                                       # the API without a fix
    trials.run({"indexes": True, "limits": "100/minute"})
    trials.final()                                       # the last one that met the budget

The life of a trial:

    a copy of the table --> a server: the mix of requests --> ended, with whatever is in its queue
                        --> a second one: the stats one at a time, then an attack --> ended
                        --> Trial
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from IPython.display import display

from course_lib import api
from course_lib.lab import events, plots, serve, session, show
from course_lib.lab.replays import ALGORITHMS
from course_lib.lab.serve import Server
from course_lib.limiter.limits import rules_for
from course_lib.report_card import traffic
from course_lib.report_card.budget import Trial, measures

Fixes = Mapping[str, Any]
"""The fixes that are on, by their names in `FIXES`, with their settings."""

FIXES = {
    "indexes": "True or False",
    "cache": "True or False",
    "user_ttl": "seconds for which the cache keeps a user's own totals",
    "platform_ttl": "seconds for which it keeps the platform's, 60 at most",
    "limits": 'what a client of the free tier may send, such as "100/minute"',
    "algorithm": "how requests are counted, such as 'token_bucket'",
    "monitor": "True or False",
}
SWITCHES = ("indexes", "cache", "limits", "monitor")
ON_OR_OFF = ("indexes", "cache", "monitor")
OPTIONS = {"cache": ("user_ttl", "platform_ttl"), "limits": ("algorithm",)}
STALEST = 60  # seconds: the product's owner accepts platform totals that are this old

OURS: Fixes = {
    "indexes": True,
    "cache": True,
    "user_ttl": 300,
    "platform_ttl": 60,
    "limits": "20 per 10 seconds",
    "monitor": True,
}


def start(fixes: Fixes, db: events.Copy | None = None, **options: Any) -> Server:
    """Start the API with these fixes, on a copy of the table; options are those of `serve.start`.

    Raises ValueError if there's no such fix or its value makes no sense.
    """
    _check_fixes(fixes)
    switches = {name: value for name, value in fixes.items() if value}
    if limit := switches.get("limits"):
        switches["limits"] = limits_of(limit)
    return serve.start(db or events.copy(), **switches, **options)


def limits_of(free: str) -> dict[str, Any]:
    """Return all limits of the card's API, with this one for the events of the free tier."""
    tiers = {"free": free, "pro": "1000/minute", "team": "5000/minute"}
    return {traffic.LISTS: tiers, **api.LIMITS}


def _check_fixes(fixes: Fixes) -> None:
    if not isinstance(fixes, Mapping):
        raise ValueError(f'fixes is {fixes!r}; write a dict, such as {{"indexes": True}}')
    for name in fixes:
        if name not in FIXES:
            lines = [f"  {known}: {meaning}" for known, meaning in FIXES.items()]
            raise ValueError("\n".join([f"there is no fix {name!r}; there are", *lines]))
    for name in ON_OR_OFF:
        value = fixes.get(name, False)
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; write {FIXES[name]}, without quotes")
    algorithm = fixes.get("algorithm") or "token_bucket"
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm is {algorithm!r}; choose one of {', '.join(ALGORITHMS)}")
    if limit := fixes.get("limits"):
        if not isinstance(limit, str):
            raise ValueError(f"limits is {limit!r}; write {FIXES['limits']}")
        rules_for(limit, algorithm)
    _check_ttls(fixes)


def _check_ttls(fixes: Fixes) -> None:
    for name in ("user_ttl", "platform_ttl"):
        seconds = fixes.get(name, 1)
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not seconds > 0:
            raise ValueError(f"{name} is {seconds!r}; write a number of seconds above 0")
    if fixes.get("platform_ttl", STALEST) > STALEST:
        raise ValueError(f"the platform's totals may be {STALEST} seconds old at most")


class Trials:
    """All trials of this kernel, in order."""

    def __init__(self) -> None:
        self.done: list[Trial] = []

    def run(self, fixes: Fixes) -> Trial:
        """Measure the API with these fixes: the same requests each time.

        Raises ValueError if there's no such fix or its value makes no sense.
        """
        trial = _measure(fixes, f"trial {len(self.done) + 1}")
        self.done.append(trial)
        return trial

    def table(self) -> pd.DataFrame:
        """Return a row for each trial: its fixes, what was measured, and the targets it met."""
        numbered = {str(number): trial for number, trial in enumerate(self.done, start=1)}
        return _table(numbered)

    def before(self) -> Trial:
        """Return the trial without a fix; run it if there was none."""
        return self._trial_of({}) or self.run({})

    def final(self) -> Trial:
        """Return the last trial that met the budget. If none did, show a card and return ours."""
        for trial in reversed(self.done):
            if trial.met:
                return trial
        if ours := self._trial_of(OURS):
            return ours
        text = "None of your trials has met the budget so far, so what follows uses our choice."
        display(show.Card("Our choice", text))
        return self.run(OURS)

    def alone(self, switch: str) -> Trial:
        """Return the trial of one fix, with the settings of `final()`; run it if there's none.

        If `final()` doesn't have that fix, it gets the settings in `OURS`. Raises ValueError
        if there's no such fix.
        """
        fixes = self.final().fixes
        if not fixes.get(switch):
            fixes = OURS
        chosen = only(fixes, switch)
        _check_fixes(chosen or {switch: True})
        return self._trial_of(chosen) or self.run(chosen)

    def each_fix(self) -> pd.DataFrame:
        """Return what each fix does alone, beside none of them and all of `final()`."""
        return _table(self._each_fix()).drop(columns=["fixes", "targets met"])

    def picture(self) -> plots.Picture:
        """Return a plot of the late requests with no fix, with each one alone, and with all."""
        compared = self._each_fix()
        *others, together = [trial.late for trial in compared.values()]
        best = min(others)
        title = f"Late: {together:.0%} with all fixes, {best:.0%} with the best one alone"
        late = {name: 100 * trial.late for name, trial in compared.items()}
        return plots.bars(late, title, "late requests (%)")

    def _each_fix(self) -> dict[str, Trial]:
        compared = {"none": self.before()}
        for switch in SWITCHES:
            compared[f"{switch} alone"] = self.alone(switch)
        compared["all"] = self.final()
        return compared

    def _trial_of(self, fixes: Fixes) -> Trial | None:
        """Return the first trial of exactly these fixes."""
        return next((trial for trial in self.done if trial.fixes == fixes), None)


def only(fixes: Fixes, switch: str) -> dict[str, Any]:
    """Return one fix of several, with its options."""
    names = (switch, *OPTIONS.get(switch, ()))
    return {name: fixes[name] for name in names if name in fixes}


def _effective(fixes: Fixes) -> dict[str, Any]:
    """Return what is on, without the options of what is off."""
    effective: dict[str, Any] = {}
    for switch in SWITCHES:
        if fixes.get(switch):
            effective |= only(fixes, switch)
    return effective


def _measure(fixes: Fixes, name: str) -> Trial:
    _check_fixes(fixes)
    fixes = _effective(fixes)
    with events.copy() as db:
        with start(fixes, db) as server:
            mix = traffic.send_mix(server, f"{name}: 10 requests a second")
        with start(fixes, db) as server:
            alone = traffic.send_alone(server, f"{name}: one request at a time")
            attack = traffic.attack(server, fixes.get("limits"), f"{name}: attack")
    return Trial(fixes, mix, alone, attack, session.is_short())


def _table(trials: Mapping[str, Trial]) -> pd.DataFrame:
    rows = {}
    for name, trial in trials.items():
        measured = measures(trial)
        met = sum(measure.met for measure in measured)
        texts = {measure.name: measure.text for measure in measured}
        rows[name] = {
            "fixes": trial.described,
            **texts,
            "targets met": f"{met} of {len(measured)}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")
