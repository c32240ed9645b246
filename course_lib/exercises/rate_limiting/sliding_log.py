"""Exercise: an exact sliding window, as a log in a sorted set.

forget old entries --> write this one --> count --> expire --+--> up to the limit: allowed
(one transaction)                                            +--> above: remove it, rejected
"""

import secrets
from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.timed_exercise import NOW, TimedExercise
from course_lib.lab.redis_server import Client


class SlidingLog(TimedExercise):
    """Exact over any stretch of time, at the cost of an entry for each allowed request."""

    name = "sliding_log"
    task = """The exact limiter: over any stretch of `seconds`, no more than `limit` requests are
allowed. A sorted set contains the time of each of them. Write `sliding_log(redis, key, limit,
seconds, now)`; `now` is in seconds, and the check sets it.

Reading first and writing later would repeat the mistake of lesson 3's first limiter. So write
first, then count, in one transaction: `p.execute()` sends the commands together, with nothing in
between, and returns a list of their results.

1. **forget** entries that are at least `seconds` old
2. **write** this request: `p.zadd(key, {member: now})`; a sorted set contains each member once
3. **count**: `p.zcard(key)`
4. **expire**
5. **take back** the entry if the request isn't allowed, with `await redis.zrem(key, member)`; and
   **return**"""
    imports = "import secrets\n\n\n"
    stub = (
        imports
        + """async def sliding_log(redis, key, limit, seconds, now):
    member = ...  # different for each request, even for two at the same time
    async with redis.pipeline() as p:
        p.zremrangebyscore(key, "-inf", now - seconds)  # 1 forget
        ...  # 2 write
        ...  # 3 count
        p.expire(key, seconds)  # 4 expire
        answers = await p.execute()
    # 5 take back
    return ...  # and return"""
    )
    hints = (
        "Two requests can come at the same time, so the time alone isn't a unique member: "
        "`secrets.token_hex(8)` is different each time.",
        "The results have the order of the commands: with steps 1 to 4 as in the stub, the count "
        "is `answers[2]`.",
        "The count includes this request. If it's above `limit`: `await redis.zrem(key, member)`, "
        "and False.",
    )
    praise = "It's exact over any stretch of time, and a rejected request leaves nothing behind."
    windows_kept = 1
    refusals: ClassVar = {
        "same_moment": (
            "Requests at the same time were counted as one: they had the same member, and a sorted "
            "set has each member once.",
            "Create a member that no other request has: `secrets.token_hex(8)`.",
        ),
        "same_member": (
            "Every request had the same member, and a sorted set contains each member once: the "
            "count never grows.",
            "Create a member that no other request has: `secrets.token_hex(8)`.",
        ),
        "refused_clears": (
            "A rejected request cleared the whole log: the next ones were all allowed.",
            "Step 5 removes only this request's entry: `await redis.zrem(key, member)`.",
        ),
        "at_the_border": (
            "A request that came exactly `seconds` ago still counted.",
            "Forget what is at least `seconds` old: up to and including `now - seconds`.",
        ),
        "refused_kept": (
            "Rejected requests stay in the log and count: a client that keeps retrying is locked "
            "out for good, and every retry takes more memory.",
            "Step 5: if the count is above the limit, `await redis.zrem(key, member)`.",
        ),
        "never_forgets": (
            "Requests that are older than the window still count, by the time in `now`.",
            "Step 1 removes what is older than `now - seconds`; and each request goes into the set "
            "with its `now`.",
        ),
        "keeps_old": (
            "Old entries don't count, but they stay in the log: it grows as long as the client "
            "sends requests.",
            "Step 1: remove them, with `p.zremrangebyscore`.",
        ),
        "forgets_too_soon": (
            "Requests from the last `seconds` were forgotten.",
            "Remove only what is at least `seconds` old.",
        ),
        "counts_before": (
            "You counted before writing this request, and then treated the count as if it included "
            "this request.",
            "Write in step 2, count in step 3; then a count of `limit` is allowed.",
        ),
    }

    variants: ClassVar = {"same_moment": ("same_moment", "same_second")}

    @staticmethod
    async def sliding_log(redis, key, limit, seconds, now):
        """Return whether one more request of this client is allowed, over any stretch of time."""
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

    async def judge_on(self, redis: Client, answer: Any) -> None:
        """Try every limiter's duties, and expect a log that outlives its last entry."""
        await super().judge_on(redis, answer)
        is_log = await redis.type("limit:4") == b"zset"
        if is_log and await redis.zcard("limit:4") > 7:
            call = f"{self.name}(redis, 'limit:4', 7, 10, now), in ten windows"
            got = f"{await redis.zcard('limit:4')} entries"
            self.refuse("keeps_old", call=call, got=got, expected="at most 7")
        await self.decide(answer, redis, "limit:7", 3, 60, NOW)
        for key in await redis.keys("*limit:7*"):
            await redis.expire(key, 20)
        await self.decide(answer, redis, "limit:7", 3, 60, NOW + 40)
        ttls = [await redis.ttl(key) for key in await redis.keys("*limit:7*")]
        longest = max(ttls, default=60)
        if longest < 56:
            call = f"{self.called(redis, 'limit:7', 3, 60, NOW + 40)}, 40 s after another request"
            got = f"a TTL of {longest} s"
            self.refuse("expires_too_soon", call=call, got=got, expected="60 s")

    async def refined(self, answer: Any, redis: Client, key: str, mistake: str) -> str:
        """Tell apart why one member is left: the same for all requests, or the others forgotten."""
        is_log = await redis.type(key) == b"zset"
        if mistake != "never_refuses" or not is_log or await redis.zcard(key) != 1:
            return mistake
        await redis.zadd(key, {"another": NOW})
        await self.decide(answer, redis, key, 4, 60, NOW + 1)
        is_left = await redis.zscore(key, "another") is not None
        return "same_member" if is_left else "forgets_too_soon"

    def model(
        self, times: Sequence[float], limit: int, seconds: float, mistake: str = ""
    ) -> list[bool]:
        """Keep the time of each allowed request, and go through them all each time."""
        memories = {"never_forgets": float("inf"), "forgets_too_soon": seconds / 2}
        memory = memories.get(mistake, seconds)
        allowed_count = limit + (mistake == "counts_before") - (mistake == "one_too_few")
        log: list[float] = []
        decisions = []
        for now in times:
            recent = [moment for moment in log if moment > now - memory]
            if mistake == "at_the_border":
                recent = [moment for moment in log if moment >= now - memory]
            if mistake == "same_second":
                recent = list({int(moment): moment for moment in recent if int(moment) != int(now)})
            if mistake == "same_moment":
                recent = list(set(recent) - {now})
            is_allowed = len(recent) < allowed_count
            decisions.append(is_allowed)
            if mistake == "refused_clears" and not is_allowed:
                log.clear()
            if is_allowed or mistake == "refused_kept":
                log.append(now)
        return decisions
