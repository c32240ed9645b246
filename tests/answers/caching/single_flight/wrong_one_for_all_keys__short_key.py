import asyncio


async def answer(flights, key, load):
    key = key[:7]
    if key not in flights:
        flights[key] = asyncio.create_task(load())
        flights[key].add_done_callback(lambda _: flights.pop(key, None))
    return await asyncio.shield(flights[key])
