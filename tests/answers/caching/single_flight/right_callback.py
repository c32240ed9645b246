import asyncio


async def answer(flights, key, load):
    task = flights.get(key)
    if task is None:
        task = flights[key] = asyncio.create_task(load())
        task.add_done_callback(lambda _: flights.pop(key, None))
    return await asyncio.shield(task)
