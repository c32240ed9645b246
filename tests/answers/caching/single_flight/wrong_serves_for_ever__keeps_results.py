import asyncio


async def answer(flights, key, load):
    lock = flights.setdefault("lock", asyncio.Lock())
    async with lock:
        if key not in flights:
            flights[key] = await load()
    return flights[key]
