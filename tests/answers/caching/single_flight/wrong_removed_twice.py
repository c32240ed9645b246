import asyncio


async def answer(flights, key, load):
    if key not in flights:
        flights[key] = asyncio.create_task(load())
    result = await asyncio.shield(flights[key])
    del flights[key]
    return result
