"""Schemas and workloads unlike the workbook's events, to test and measure the advisor with.

Each entry of SCHEMAS has a function that fills an open database; a list of queries, each with a
name, a frequency, SQL with placeholders for literals, and sets of literals; and a write: an INSERT
statement, a function that makes a row from `random()` and a number, and the rows written while the
workload runs once. The advisor sees only the first set of literals. SCHEMA_ROWS sets the size.
"""

from advisor_schemas.library import LIBRARY, LIBRARY_WRITE, library
from advisor_schemas.shop import SHOP, SHOP_WRITE, shop
from advisor_schemas.tickets import TICKETS, TICKETS_WRITE, tickets

SCHEMAS = {
    "shop": (shop, SHOP, SHOP_WRITE),
    "tickets": (tickets, TICKETS, TICKETS_WRITE),
    "library": (library, LIBRARY, LIBRARY_WRITE),
}
