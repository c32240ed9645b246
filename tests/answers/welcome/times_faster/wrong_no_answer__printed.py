def answer(before, after):
    print(before / after)
