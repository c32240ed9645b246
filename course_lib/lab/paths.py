"""The folders of the project: the shipped lessons, the seeded data, and the learner's copies."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"


def _folder(variable: str, default: str) -> Path:
    """Return the folder that an environment variable names, else one of the project's.

    Raises RuntimeError, which says what to do, if it's below the home of an unknown user.
    """
    text = os.environ.get(variable)
    if not text:  # an empty path would be the current folder
        return ROOT / default
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise RuntimeError(
            f"{variable} is {text!r}, and that home folder is unknown: set it to a folder's full "
            "path, and restart the kernel"
        ) from None


DATA = _folder("COURSE_DATA", "data")
WORK = _folder("COURSE_WORK", "work")
