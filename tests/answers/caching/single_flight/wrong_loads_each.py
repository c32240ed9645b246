async def answer(flights, key, load):
    return await load()
