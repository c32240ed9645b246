import asyncio
async def answer(flights, key, load):
    if key not in flights:
        flights[key] = asyncio.create_task(load())
        flights[key].add_done_callback(lambda _: flights.pop(key, None))
    try:
        return await asyncio.shield(flights[key])
    except Exception as e:
        raise ValueError(f"load failed: {e}") from e
