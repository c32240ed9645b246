def answer(before, after):
    return f"{before / after:g}x"
