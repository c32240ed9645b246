"""Random data for the schemas: sizes, names, timestamps and skewed numbers."""

import os
from datetime import datetime, timedelta

ROWS = int(os.environ.get("SCHEMA_ROWS", "500000"))
START = datetime(2023, 1, 1)
DAYS = 730
CITIES = [
    "Berlin",
    "Lyon",
    "Porto",
    "Graz",
    "Ghent",
    "Turin",
    "Delft",
    "Bergen",
    "Malmo",
    "Cork",
    "Tartu",
    "Brno",
    "Split",
    "Bari",
    "Nice",
    "Linz",
    "Lund",
    "Riga",
]
WORDS = [
    "printer",
    "password",
    "invoice",
    "laptop",
    "screen",
    "vpn",
    "mailbox",
    "badge",
    "monitor",
    "keyboard",
    "licence",
    "backup",
    "ticket",
    "refund",
]


def timestamp(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(sep=" ")


def skewed(number, limit, power=3):
    """Return a whole number below `limit`; low ones are frequent."""
    return int(limit * number**power)
