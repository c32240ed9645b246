import pandas as pd


def answer(workers):
    return pd.DataFrame(workers).sum().to_dict()
