"""Receive a server's next message without waiting for it."""

import asyncio

from course_lib.asgi import Message, Receive

STEPS = 10  # of the event loop: a server takes one, `BaseHTTPMiddleware` several


async def receive_at_once(receive: Receive) -> Message | None:
    """Return the next message; None if there's none yet, or if the server runs without asyncio."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    receiving = asyncio.ensure_future(receive(), loop=loop)
    try:
        for _ in range(STEPS):
            await asyncio.sleep(0)  # lets it run until it has a message, or has to wait for one
            if receiving.done():
                break
    finally:
        receiving.cancel()  # does nothing if it's done
    if not receiving.done() or receiving.cancelled() or receiving.exception():
        return None
    return receiving.result()
