"""Run the Makefile's commands: `notebooks` handles lesson files, `doctor` checks this machine."""
