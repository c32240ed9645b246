import asyncio


async def answer(flights, key, load):
    if key in flights:
        return await asyncio.shield(flights[key])
    task = flights[key] = asyncio.create_task(load())
    task.add_done_callback(flights.pop(key))
    return await asyncio.shield(task)
