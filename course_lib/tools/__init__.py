"""Run the Makefile's commands: `notebooks` handles lesson files, `doctor` checks this machine.

Read `notebooks` first, the command line. Behind it are `copies` (the learner's copies in work/),
`running` (run the shipped lessons) and `stored_form` (what a shipped notebook keeps).
"""
