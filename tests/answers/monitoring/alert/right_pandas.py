import pandas as pd


def answer(requests, now):
    table = pd.DataFrame(requests, columns=["moment", "seconds"])
    recent = table[table["moment"] > now - 300]
    return len(recent) >= 100 and (recent["seconds"] > 0.5).mean() > 0.01
