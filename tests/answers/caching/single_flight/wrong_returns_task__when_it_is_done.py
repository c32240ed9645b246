import asyncio


async def answer(flights, key, load):
    if key not in flights or flights[key].done():
        flights[key] = asyncio.create_task(load())
    await asyncio.wait([flights[key]])
    return flights[key]
