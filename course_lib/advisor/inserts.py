"""Time what an index adds to the insert of a row."""

import math
import time
from contextlib import closing
from statistics import fmean, median

from course_lib.advisor.schema import ROWID_NAMES, Index, Table, columns_to_rewrite
from course_lib.advisor.stopwatch import Stopwatch
from course_lib.advisor.trial import Trial
from course_lib.optimizer.database import quoted

ROUNDS = 3  # of the measurement that's explained
ROWS_IN_A_ROUND = 100
REWRITTEN = 150  # rows that are deleted and inserted again to time inserts
REPEATS = 3
REPEATS_WITHOUT_INDEX = 9  # of that time all others are subtracted: it must not be long by chance
FIRST = 10  # rows that tell how many more there's time for
LONGEST = 0.2  # seconds
SHORTEST = 1e-6  # of an insert


class Inserts:
    """The seconds per inserted row, each measured once."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._seconds: dict[tuple[str, Index | None], float] = {}

    def seconds(self, table: str, index: Index | None = None) -> float:
        """Return the time to insert a row in a transaction of its own, in WAL mode.

        With an index, return what the index adds to that time.
        """
        if (table, index) not in self._seconds:
            self.trial.show(frozenset({index} if index else ()))
            repeats = REPEATS if index else REPEATS_WITHOUT_INDEX
            seconds = self._measure(self.trial.copy.tables[table], repeats)
            if index:
                seconds = max(seconds - self.seconds(table), 0.0)
            self._seconds[table, index] = seconds
        return self._seconds[table, index]

    def interval(self, index: Index) -> tuple[float, float, float]:
        """Return what an index adds to an insert: the median, the least and the most, in seconds.

        Inserts with and without the index alternate, so that both meet the same moments of a busy
        machine. If no time is left, the one measurement so far counts.
        """
        table = self.trial.copy.tables[index.table]
        known = self.seconds(index.table, index)
        differences = []
        longest = 0.0
        expected = self.seconds(index.table) + known
        rows = ROWS_IN_A_ROUND
        if rows * expected > LONGEST:
            rows = max(int(LONGEST / expected), 1)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            if start + 2 * longest > self.trial.copy.deadline:
                break
            self.trial.show(frozenset())
            without = self._rewrite(table, rows)
            self.trial.show(frozenset({index}))
            differences.append(self._rewrite(table, rows) - without)
            longest = max(longest, time.perf_counter() - start)
        if not differences:
            return known, known, known
        ordered = [max(difference, 0.0) for difference in sorted(differences)]
        return median(ordered), ordered[0], ordered[-1]

    def _measure(self, table: Table, repeats: int) -> float:
        """Return the mean seconds of an insert, of fewer rows if each takes long.

        Each row is inserted several times, and its shortest time counts: chance only adds to it.
        """
        seconds = self._rewrite(table, FIRST)
        rows = min(int(LONGEST / max(seconds, SHORTEST) / repeats), REWRITTEN)
        return self._rewrite(table, rows, repeats) if rows > FIRST else seconds

    def _rewrite(self, table: Table, rows_to_rewrite: int, repeats: int = 1) -> float:
        """Delete the newest rows and insert them again; return the mean seconds of an insert.

        The rows stay exactly the same, so hidden indexes still match their table.
        """
        name = quoted(table.name)
        with closing(self.trial.copy.change()) as connection:
            columns, identity = columns_to_rewrite(connection, table)
            key = ", ".join(identity)
            newest_first = ", ".join(f"{column} DESC" for column in identity)
            newest = f"FROM {name} ORDER BY {newest_first} LIMIT {rows_to_rewrite}"
            # In WAL mode, an insert waits for the disk neither with NORMAL nor with OFF. With OFF,
            # the checkpoints below don't either.
            connection.executescript(f"""
                PRAGMA journal_mode = WAL;
                PRAGMA synchronous = OFF;
                PRAGMA ignore_check_constraints = ON;
                CREATE TEMP TABLE advisor_deleted AS SELECT {columns} {newest};
            """)
            free_names = [free for free in ROWID_NAMES if free not in table.columns]
            (number,) = (free_names or identity)[:1]
            rows = connection.execute(f"SELECT {number} FROM advisor_deleted").fetchall()
            insert = (
                f"INSERT INTO {name}({columns}) SELECT * FROM advisor_deleted WHERE {number} = ?"
            )
            shortest = [math.inf] * len(rows)
            for _ in range(repeats):
                # The checkpoint is there so that each repeat starts with an empty log.
                connection.executescript(f"""
                    DELETE FROM {name} WHERE ({key}) IN (SELECT {key} {newest});
                    PRAGMA wal_checkpoint(TRUNCATE)
                """)
                for position, row in enumerate(rows):
                    stopwatch = Stopwatch()
                    connection.execute(insert, row)
                    shortest[position] = min(shortest[position], stopwatch.seconds())
            connection.execute("PRAGMA journal_mode = DELETE")
        return fmean(shortest) if shortest else 0.0
