"""The lab: the seeded table, the servers, the bench, the plots and the learner's progress."""


def start(lesson: str, *, redis: bool = False) -> None:
    """Set up a lesson, and say in three lines what was found: the servers, the table, and where progress is kept."""
    import platform  # noqa: PLC0415  who imports a single part of the lab does not pay for the others
    import sqlite3  # noqa: PLC0415

    from course_lib.lab import events, progress, redis_server, session  # noqa: PLC0415

    session.begin(lesson)
    table = events.path()
    solved = sum(each["verdict"] == "right" for each in progress.verdicts(lesson).values())
    server = f", {redis_server.version()}" if redis else ""
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}{server}")
    print(f"events: {events.rows():,} rows, {table.stat().st_size / 1e6:,.0f} MB")
    print(f"{lesson}: {solved} exercises solved so far, kept in {progress.file().name} beside your copy")
