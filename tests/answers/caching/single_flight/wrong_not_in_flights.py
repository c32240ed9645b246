import asyncio

tasks = {}


async def answer(flights, key, load):
    if key not in tasks:
        tasks[key] = asyncio.create_task(load())
        tasks[key].add_done_callback(lambda _: tasks.pop(key, None))
    return await asyncio.shield(tasks[key])
