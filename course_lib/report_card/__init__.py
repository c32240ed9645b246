"""Try the fixes on one API until its budget is met, and put the figures on one page.

    trials = trial.Trials()
    trials.run({})
    trials.run({"indexes": True, "cache": True, "limits": "20 per 10 seconds"})
    api = trial.start(trials.final().fixes)
    attack, stress = traffic.attack(api), traffic.stress(api)
    ready = checklist.check(api, attack=attack, stress=stress)
    report.ReportCard(trials, stress, ready).save()

Read `trial.py` first. `budget.py` has the targets, `traffic.py` sends the requests, `checklist.py`
checks what production needs, `learner.py` reads the learner's progress, and `report.py` puts all
of it on a page.
"""
