def answer(workers):
    return [item for counts in workers for item in counts.items()]
