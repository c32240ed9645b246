"""The lab: what every lesson runs on. A notebook's first cell calls `lab.start("caching")`.

stage     events.py         the seeded table, and private copies of it
                            (seeded_file.py creates the file, seeded_rows.py its rows,
                            file_lock.py waits for the process that creates it)
          redis_server.py   Redis: yours at REDIS_URL, or one that's private to the kernel
                            (redis_process.py is the server, namespaced_client.py the client)
          serve.py          the Events API, or your own app, over real HTTP (http_protocol.py
                            ends connections that never send or read, and repeated_lines.py
                            shortens the log)
          lifeline.py       starts every process and ends it with the kernel
measure   bench.py          compares ways of doing one thing, in one interleaved run
                            (comparison.py has the results, percentiles.py the figures)
          claims.py         judges what a lesson claims about them (the texts are in claims.toml)
          load_generator.py sends the traffic of many users (sender.py is its process)
          replays.py        an hour of requests through a limiter, in a second
                            (bucket_level.py follows the level of a token bucket, at_once.py
                            sends concurrent requests)
          pages.py          which pages of the database file a query reads
          workload.py       a contest of index sets on one workload
          in_process.py     calls an app without a server
          staleness.py, late_store.py, half_hits.py, full_redis.py
                            the experiments of lesson 1 (sorted_requests.py plots its loads)
          bystander.py      calls a function while something slow runs beside it
          time_limit.py     times a call that may never return
show      plots.py          pictures with one message each, in words too (picture.py shows them,
                            plot_bars.py, plot_dots.py and plot_lines.py draw them, and
                            plot_axes.py has the axes)
          show.py           numbers, durations, cards and tables
          live.py           the monitor's dashboard in a notebook
learner   session.py        the lesson in progress
          progress.py       verdicts and predictions, kept over restarts
          predictions.py    predict before you measure
          lessons.py        the shipped notebooks (paths.py has the folders)

Lessons import the names that they all use from here: `from course_lib.lab import claim, predict`.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "board": "predictions",
    "claim": "claims",
    "load": "load_generator",
    "predict": "predictions",
    "reveal": "predictions",
    "Route": "load_generator",
    "Schedule": "load_generator",
    "zipf_users": "load_generator",
}


def __getattr__(name: str) -> Any:
    """Import a name when it's first used, so that a program doesn't load what it doesn't need."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def start(lesson: str, *, redis: bool = False) -> None:
    """Set up a lesson and print three lines: the versions, the table, and the learner's progress.

    With `redis` it also makes sure that there's a Redis server. Raises ValueError if there's no
    such lesson.
    """
    # Imported here, so that a program that uses one part of the lab doesn't load the others.
    import platform  # noqa: PLC0415
    import sqlite3  # noqa: PLC0415

    import pandas as pd  # noqa: PLC0415

    from course_lib.lab import events, progress, redis_server, session  # noqa: PLC0415

    session.begin(lesson)
    pd.set_option("display.max_colwidth", None)  # its default cuts off texts in tables
    megabytes = events.path().stat().st_size / 1e6
    server = f", {redis_server.version()}" if redis else ""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}{server}")
    print(f"Table: {events.rows():,} events, {megabytes:,.0f} MB")
    saved = f"saved beside your copy, in {progress.file().name}"
    if lesson == "report_card":  # it has no exercises of its own
        print(f"It reads your progress in all lessons, {saved}")
        return
    verdicts = progress.verdicts(lesson).values()
    solved = sum(record["verdict"] == "right" for record in verdicts)
    print(f"Exercises solved so far: {solved}, {saved}")
