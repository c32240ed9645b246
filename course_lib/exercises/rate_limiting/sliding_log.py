"""Exact in every stretch of time, for the price of an entry for each request that passed."""

import secrets
from collections.abc import Sequence
from typing import ClassVar

from course_lib.exercises.window_exercise import TimedExercise


class SlidingLog(TimedExercise):
    """Exact in every stretch of time, for the price of an entry for each request that passed."""

    name = "sliding_log"
    task = """The exact limiter: in no stretch of `seconds` do more than `limit` requests pass. A sorted set holds when
each of those came. Write `sliding_log(redis, key, limit, seconds, now)`; `now` is in seconds, and the check turns it.

To look first and write afterwards would be the mistake of section 1. So write first, then count, in one transaction:
`p.execute()` sends the commands together, nothing comes in between, and their answers come as a list.

1. **forget** what is `seconds` old, or older
2. **write** this request: `p.zadd(key, {member: now})`; a sorted set has each member once
3. **count**: `p.zcard(key)`
4. **expire**
5. **take back** what may not pass, with `await redis.zrem(key, member)`; and **answer**"""
    imports = "import secrets\n\n\n"
    stub = (
        imports
        + """async def sliding_log(redis, key, limit, seconds, now):
    member = ...  # another one for each request, also for two at the same moment
    async with redis.pipeline() as p:
        p.zremrangebyscore(key, "-inf", now - seconds)  # 1 forget
        ...  # 2 write
        ...  # 3 count
        p.expire(key, seconds)  # 4 expire
        answers = await p.execute()
    # 5 take back
    return ...  # and answer"""
    )
    hints = (
        "Two requests may come at the same moment, so the time alone is no member: `secrets.token_hex(8)` is another "
        "one each time.",
        "The answers stand in the order of the commands: with steps 1 to 4 as in the stub, the count is `answers[2]`.",
        "The count includes this request. Where it is above `limit`: `await redis.zrem(key, member)`, and False.",
    )
    praise = "Exact in every stretch of time; and who is refused leaves nothing behind."
    windows_kept = 1
    refusals: ClassVar = {
        "same_moment": (
            "Requests at the same moment were counted as one: their member was the same, and a sorted set has each "
            "once.",
            "Make a member that no other request has: `secrets.token_hex(8)`.",
        ),
        "refused_kept": (
            "Refused requests stay in the log and count: who goes on knocking is kept out for ever, and costs memory "
            "with each knock.",
            "Step 5: where the count is above the limit, `await redis.zrem(key, member)`.",
        ),
        "never_forgets": (
            "Requests that are older than the window still count, by the clock that you were given.",
            "Step 1 removes what is older than `now - seconds`; and `now` goes with each request into the set.",
        ),
        "forgets_too_soon": (
            "Requests within the last `seconds` were forgotten.",
            "Only what is at least `seconds` old may go.",
        ),
        "counts_before": (
            "The count was taken before this request was written, and then read as if it were in it.",
            "Write in step 2, count in step 3; then a count of `limit` may pass.",
        ),
    }

    @staticmethod
    async def sliding_log(redis, key, limit, seconds, now):
        """Whether one more request of this client may pass, in any stretch of time."""
        member = secrets.token_hex(8)
        async with redis.pipeline() as p:
            p.zremrangebyscore(key, "-inf", now - seconds)
            p.zadd(key, {member: now})
            p.zcard(key)
            p.expire(key, seconds)
            answers = await p.execute()
        if answers[2] > limit:
            await redis.zrem(key, member)
        return answers[2] <= limit

    def model(
        self, moments: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Keep the time of each request that passed, and look through them all."""
        kept: list[float] = []
        passed = []
        for now in moments:
            remembered = {"never_forgets": float("inf"), "forgets_too_soon": seconds / 2}.get(
                mistake, seconds
            )
            recent = [then for then in kept if now - then < remembered]
            if mistake == "same_moment":
                recent = list(set(recent) - {now})
            passed.append(len(recent) < limit + (mistake == "counts_before"))
            if passed[-1] or mistake == "refused_kept":
                kept.append(now)
        return passed
