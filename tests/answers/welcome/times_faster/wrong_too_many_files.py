def answer(before, after):
    logs = []
    while before > after:
        logs.append(open("/dev/null"))
    return logs
