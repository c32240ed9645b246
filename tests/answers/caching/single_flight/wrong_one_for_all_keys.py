import asyncio


async def answer(flights, key, load):
    if "load" not in flights or flights["load"].done():
        flights["load"] = asyncio.create_task(load())
    return await asyncio.shield(flights["load"])
