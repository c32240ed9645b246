"""The folders of the project: the shipped lessons, the seeded data, and the learner's copies."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
# An empty variable counts as unset: its path would be the current folder.
DATA = Path(os.environ.get("COURSE_DATA") or ROOT / "data").expanduser()
WORK = Path(os.environ.get("COURSE_WORK") or ROOT / "work").expanduser()
