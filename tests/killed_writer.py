"""A process that writes to a database and is killed, as a crash or a deployment does it."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for statement in sys.argv[2:]:
    connection.execute(statement)
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_a_writer(db: Path, *statements: str) -> None:
    """Run statements in a process that's killed before it closes the database."""
    subprocess.run([sys.executable, "-c", SCRIPT, db, *statements], check=False)
