from dataclasses import asdict

import pandas as pd


def answer(metrics):
    table = pd.DataFrame({endpoint: asdict(each) for endpoint, each in metrics.items()}).T
    return (table["count"] * table["mean"]).idxmax()
