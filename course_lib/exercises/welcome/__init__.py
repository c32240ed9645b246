"""The exercises of the welcome: one file each, named after the exercise.

`ask`, which shows a question, is here too, because every lesson needs it.
"""

from course_lib.exercises.discovery import exercises_in
from course_lib.exercises.questions import ask

__all__ = ["ask"]

globals().update(exercises_in(__name__, __path__))
