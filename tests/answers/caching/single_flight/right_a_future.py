import asyncio
keep = set()
async def answer(flights, key, load):
    if key not in flights:
        future = asyncio.get_event_loop().create_future()
        flights[key] = future
        async def fly():
            try:
                future.set_result(await load())
            except Exception as error:
                future.set_exception(error)
            finally:
                flights.pop(key)
        task = asyncio.create_task(fly())
        keep.add(task)
        task.add_done_callback(keep.discard)
    return await asyncio.shield(flights[key])
