"""Measure the API before and after all fixes, and put the figures on one page.

    replay = traffic.replay(off, on)  # two servers from lab.serve
    attack, stress = traffic.attack(on), traffic.stress(on)
    ready = checklist.check(on, attack=attack, stress=stress)
    report.ReportCard(replay, attack, stress, ready).save()

Read `report.py` first. `metrics.py` compares the figures with their targets, `learner.py` reads
the learner's progress, `traffic.py` sends the requests, and `checklist.py` checks what production
needs.
"""
