def answer(before, after):
    return (before - after) / before * 100
