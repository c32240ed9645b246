def answer():
    return before / after
