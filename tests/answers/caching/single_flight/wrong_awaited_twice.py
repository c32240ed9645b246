import asyncio


async def answer(flights, key, load):
    if key not in flights:
        flights[key] = load()
    return await flights[key]
