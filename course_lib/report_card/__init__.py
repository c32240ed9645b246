"""The report card: the same traffic before and after all fixes, many users, an attack, and a production checklist."""
