"""The exercises of lesson 3, rate limiting: one file each, named after the exercise."""

from course_lib.exercises.discovery import exercises_in

globals().update(exercises_in(__name__, __path__))
