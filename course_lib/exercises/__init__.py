"""Exercises that check themselves: a folder a lesson, a file an exercise.

Read `engine.py` first (what an exercise is), then any exercise, such as `caching/hit_rate.py`. To
add one, add a file named after it to a lesson's folder, and its answers under `tests/answers/`.

    engine.py, judging.py, verdict.py   task, hints, solution; how a check refuses; its outcome
    guard.py, private_loop.py,          no answer can hang the kernel or end it,
      surroundings.py, left_threads.py    or leave anything changed or running
    choices.py, and *_exercise.py       what several exercises share, or scenarios of a long one
    answers.py, fakes.py,               read an answer; record how it used what it was given;
      second_process.py                   let it run as in two processes
    questions.py, questions.toml        warm-ups and recaps
    the others                          what one or two exercises are tried with
"""
