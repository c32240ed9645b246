"""Exercises that check themselves, one module a lesson."""
