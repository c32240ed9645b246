"""Log in with a password: the endpoint that attackers hammer, and a deliberately slow hash."""

import asyncio
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI, HTTPException
from starlette.concurrency import run_in_threadpool

from course_lib.api.database import EventsDatabase
from course_lib.api.limits import LOGIN_PATH, CheckAccount
from course_lib.api.models import Credentials
from course_lib.api.responses import BODY, failures
from course_lib.api.slots import Slots

# Every account in the workbook has the password "events"; this is its stored hash.
SALT = b"workbook"
HASH = bytes.fromhex(
    "f2ccdcc03bf846bfdb9d5ff716d8f18f842fc885a9912ef67025824d55e2ad94"
    "eafe619d423243769f555aeaa118c9953b9afe3c4305cede8d12c9fe1279f832"
)
# Each hash takes 16 MB, as it should, and the allocator keeps that for every thread that has
# computed one. Two threads are enough, and they cap the memory.
HASHING = ThreadPoolExecutor(2, "password-hash")
MOST_LOGINS = 200
"""The number of logins that a process handles at once. The last waits for about five seconds."""


def add_login(app: FastAPI, database: EventsDatabase, check_account: CheckAccount | None) -> None:
    """Add `POST /api/auth/login`; `check_account` raises HTTPException above an account's limit."""

    slots = Slots(MOST_LOGINS, "logins")

    @app.post(LOGIN_PATH, responses=failures(401, 429, 503, *BODY))
    async def login(credentials: Credentials) -> dict[str, str]:
        """Return an account's API key for its password. Hashing takes about 50 ms, in a thread."""
        if check_account:
            # Before the hash, because the hash is what costs.
            await check_account(credentials.account)
        with slots:
            loop = asyncio.get_running_loop()
            digest = await loop.run_in_executor(HASHING, _hash, credentials.password)
        # Look the account up in any case: an unknown account must take as long as a wrong password.
        key = await run_in_threadpool(database.api_key, credentials.account)
        if key is None or not hmac.compare_digest(digest, HASH):
            raise HTTPException(status_code=401, detail="wrong account or password")
        return {"api_key": key}


def _hash(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1, maxmem=2**26)
