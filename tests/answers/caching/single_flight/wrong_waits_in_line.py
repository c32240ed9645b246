import asyncio

lock = asyncio.Lock()


async def answer(flights, key, load):
    if key in flights and not flights[key].done():
        return await asyncio.shield(flights[key])
    flights[key] = asyncio.get_running_loop().create_future()
    async with lock:
        try:
            flights[key].set_result(await load())
        except Exception as error:
            flights[key].set_exception(error)
    return await flights[key]
