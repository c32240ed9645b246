answer = dict(a=True, b=False, c=False, d=True, e=False)
