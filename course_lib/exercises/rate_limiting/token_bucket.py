"""Exercise: the token bucket, in plain Python.

seconds since the last request --> refill, up to the burst --+--> a whole token: take it, allowed
                                                             +--> less than one: rejected
"""

from typing import Any, ClassVar

from course_lib.exercises import bucket_model
from course_lib.exercises.answers import as_number, as_truth
from course_lib.exercises.bucket_model import CASES, Case, Step, same_step, same_steps
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import NotAttempted, brief


class TokenBucket(Exercise):
    """Two numbers for each client: how many tokens there are, and when that was."""

    lesson = "rate_limiting"
    name = "token_bucket"
    task = """A bucket holds at most `burst` tokens. A request takes one; if there isn't a whole
token, it's rejected. `rate` tokens come back each second, and no process has to add them: each
request works out what has come back since the last one.

Write `token_bucket(tokens, elapsed, rate, burst)`: the last request left `tokens` in the bucket,
`elapsed` seconds ago.

1. **refill**: add what has come back, but never beyond `burst`
2. **take** one, if there's a whole token
3. **return** `True` or `False`, and the tokens that are left"""
    stub = """def token_bucket(tokens, elapsed, rate, burst):
    tokens = ...  # 1 refill
    # 2 take
    return ..., tokens  # 3 return"""
    hints = (
        "With a rate of 2, how many tokens come back in 3 seconds? And if the bucket holds only "
        "5 and has 4 already?",
        "Step 1 is `min(burst, ...)` of what there was plus `elapsed * rate`. Fractions of a token "
        "stay in the bucket.",
        "Steps 2 and 3: `if tokens >= 1:`, then `return True, tokens - 1`; in the other case, "
        "`return False, tokens`.",
    )
    praise = (
        "The burst and the rate are separate numbers, and a client costs two: its tokens, and the "
        "time of its last request."
    )
    refusals: ClassVar = {
        "swapped": (
            "The two results are in the wrong order.",
            "First whether the request is allowed, then the tokens that are left.",
        ),
        "one_result": (
            "Without the tokens that are left, the next request can't know what's in the bucket.",
            "Return both: `True` or `False`, and the tokens.",
        ),
        "never_refills": (
            "No tokens come back, however long a client waits.",
            "Step 1: add `elapsed * rate` tokens before you decide.",
        ),
        "decides_before_refill": (
            "You decided by the tokens that the last request left, although more have come back "
            "since.",
            "Refill first, then decide.",
        ),
        "overflows": (
            "The bucket holds more than `burst`: a client that was away all night could send "
            "thousands of requests at once in the morning.",
            "Step 1: `min(burst, ...)`, before you take a token.",
        ),
        "always_full": (
            "The bucket is full after each refill, whatever was left in it.",
            "`min(burst, ...)` is the smaller of the two, `max` the larger.",
        ),
        "rate_ignored": (
            "The rate makes no difference: a token comes back each second.",
            "`rate` tokens come back each second, for `elapsed` seconds.",
        ),
        "elapsed_ignored": (
            "As many tokens come back after a second as after an hour.",
            "`rate` tokens come back each second, for `elapsed` seconds.",
        ),
        "upside_down": (
            "Requests that should be allowed are rejected, and the other way around.",
            "True means that the request is allowed.",
        ),
        "filled_at_once": (
            "The bucket is full again as soon as any time has passed: that's a window, and a very "
            "short one.",
            "Only `elapsed * rate` tokens come back.",
        ),
        "forgets_the_rest": (
            "The tokens that were left in the bucket are lost.",
            "Add what has come back to what was there: `tokens + elapsed * rate`.",
        ),
        "per_minute": (
            "Sixty times too few tokens come back.",
            "`rate` is in tokens per second, and `elapsed` in seconds: just multiply.",
        ),
        "rate_upside_down": (
            "You divided by the rate: the higher it is, the fewer tokens come back.",
            "The rate is in tokens per second, so multiply it by the seconds.",
        ),
        "whole_tokens": (
            "Fractions of a token are lost. A client that sends a request every half a second, at "
            "a rate of 1, would never get a token again.",
            "Keep the fraction: don't round.",
        ),
        "part_of_a_token": (
            "A request got through with less than a whole token, so more than the rate gets "
            "through.",
            "It's allowed if there's at least 1.",
        ),
        "decides_after_taking": (
            "You decided by the tokens that were left after taking one, not by those before.",
            "Decide first, as in `allowed = tokens >= 1`, then take.",
        ),
        "keeps_the_last": (
            "There's a whole token in the bucket, and the request is rejected.",
            "Exactly 1 is enough.",
        ),
        "never_rejects": (
            "Every request is allowed, even if the bucket is empty.",
            "Step 2: allow it only if there's a whole token.",
        ),
        "takes_when_rejected": (
            "A rejected request takes a token too, so a client that keeps retrying digs itself "
            "into debt.",
            "Take one only if the request is allowed.",
        ),
        "refill_lost": (
            "A rejected request throws away what had come back: a client that retries quickly "
            "never gets in.",
            "Return the tokens after the refill, even if the request is rejected.",
        ),
        "takes_nothing": (
            "An allowed request leaves as many tokens as before, so the bucket is never empty.",
            "Step 2: take one.",
        ),
        "another_answer": (
            "That's not what the bucket does.",
            "Do this call by hand: refill, then take.",
        ),
    }

    @staticmethod
    def token_bucket(tokens, elapsed, rate, burst):
        """Return whether one more request is allowed, and the tokens that it leaves."""
        tokens = min(burst, tokens + elapsed * rate)
        if tokens < 1:
            return False, tokens
        return True, tokens - 1

    def judge(self, answer: Any) -> None:
        """Try buckets that are full, empty and in between, with short and long pauses."""
        cases = [*CASES, *bucket_model.random_cases()]
        steps = [self._step(answer, case) for case in cases]
        expected = [bucket_model.step(case) for case in cases]
        pairs = zip(steps, expected, strict=True)
        wrong = [number for number, pair in enumerate(pairs) if not same_step(*pair)]
        if not wrong:
            return
        first = wrong[0]
        self.refuse(
            self._mistake(cases, steps, first),
            call=self.called(*cases[first]),
            got=brief(steps[first]),
            expected=brief(expected[first]),
        )

    def _mistake(self, cases: list[Case], steps: list[Step], first: int) -> str:
        """Return the mistake that explains all the results, or else the first wrong one."""
        models = bucket_model.models(cases, self.refusals)
        explains_all = self.recognize(steps, models, same_steps)
        if explains_all:
            return explains_all
        variants = {name: bucket_model.variants(cases[first], name) for name in self.refusals}
        variants.pop("upside_down")  # one wrong decision isn't all of them
        return self.recognize(steps[first], variants, same_step) or "another_answer"

    def _step(self, answer: Any, case: Case) -> Step:
        """Return the result of one call. Refuses anything but a Boolean and a number."""
        result = self.call(answer, *case)
        call, expected = self.called(*case), "True or False, and the tokens that are left"
        if result is None:
            self.refuse("no_answer", call=call, got="None", expected=expected)
        if as_truth(result) is not None:
            self.refuse("one_result", call=call, got=brief(result), expected=expected)
        if not isinstance(result, tuple | list) or len(result) != 2:
            self.refuse("wrong_type", call=call, got=brief(result), expected=expected)
        allowed, tokens = result
        if allowed is ... or tokens is ...:
            raise NotAttempted
        if as_truth(tokens) is not None and as_truth(allowed) is None:
            self.refuse("swapped", call=call, got=brief(result), expected=expected)
        number = as_number(tokens)
        if as_truth(allowed) is None or number is None:
            self.refuse("wrong_type", call=call, got=brief(result), expected=expected)
        return bool(allowed), number
