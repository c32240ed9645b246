import asyncio


async def answer(flights, key, load):
    if key not in flights:
        flights[key] = {"task": asyncio.create_task(load()), "callers": 0}
    flight = flights[key]
    flight["callers"] += 1
    try:
        return await asyncio.shield(flight["task"])
    finally:
        flight["callers"] -= 1
        if not flight["callers"]:
            del flights[key]
