import asyncio


async def answer(flights, key, load):
    if key not in flights:
        flights[key] = asyncio.create_task(load())
        flights[key].add_done_callback(lambda _: flights.pop(key, None))
    return await asyncio.gather(asyncio.shield(flights[key]))
