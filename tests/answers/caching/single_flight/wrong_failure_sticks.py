import asyncio


async def answer(flights, key, load):
    task = flights.get(key)
    if task is None or (task.done() and not task.exception()):
        task = flights[key] = asyncio.create_task(load())
    return await asyncio.shield(task)
