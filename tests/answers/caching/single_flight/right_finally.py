import asyncio


async def answer(flights, key, load):
    async def fly():
        try:
            return await load()
        finally:
            del flights[key]

    if key not in flights:
        flights[key] = asyncio.ensure_future(fly())
    return await asyncio.shield(flights[key])
