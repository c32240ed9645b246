"""Run the Makefile's commands: lesson files, the site, and a look at this machine.

Read `notebooks` first, the command line for lesson files. Behind it are `copies` (the learner's
copies in work/), `running` (run the shipped lessons) and `stored_form` (what a shipped notebook
keeps). `site` renders the lessons as web pages, with `site_pages` and `reference`; `doctor` checks
this machine.
"""
