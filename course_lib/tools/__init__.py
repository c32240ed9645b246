"""What the Makefile calls: the lessons as files (`notebooks`), and what a machine lacks (`doctor`)."""
