import asyncio
async def answer(flights, key, load):
    return await asyncio.shield(load)
