import asyncio


async def answer(flights, key, load):
    if key not in flights:
        flights[key] = asyncio.create_task(load())
    try:
        return await asyncio.shield(flights[key])
    finally:
        flights.pop(key, None)
