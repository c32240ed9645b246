"""The folders of the project: the shipped lessons, the seeded data, and the learner's copies."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
DATA = Path(os.environ.get("COURSE_DATA", ROOT / "data"))
WORK = Path(os.environ.get("COURSE_WORK", ROOT / "work"))
