"""Exercise: a client that waits as it's told.

send --+--> not 429: return the response
       +--> 429, for the first or second time: wait for Retry-After, send again
       +--> 429, for the third time: give up, return the response
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.rejecting_service import (
    OTHER_SLEEP,
    RejectingService,
    no_other_sleep,
    shown_plan,
)
from course_lib.exercises.verdict import Refusal, brief

SLIPS = ("AttributeError", "NameError", "TypeError")  # errors that are never raised on purpose


class PoliteClient(Exercise):
    """Wait as long as the server says, and give up in time."""

    lesson = "rate_limiting"
    name = "polite_client"
    task = """Write a well-behaved client: `polite_client(send, sleep)`. `send()` sends its request
and returns the response, with `.status_code` and `.headers`; `sleep(seconds)` waits.

1. **send**
2. **wait** if the status is 429 (and only then): for the number of seconds in the header
   `Retry-After`, which is text
3. **send again**, and after the third rejection **give up**: return the last response, whatever it
   is"""
    stub = """def polite_client(send, sleep):
    response = send()  # 1 send
    ...  # 2 wait, and 3 send again, at most twice
    return ...  # the last response"""
    hints = (
        "At most three requests, so at most two waits: `for _ in range(2):` begins a loop of two "
        "rounds.",
        "In each round: `if response.status_code != 429: break`. Otherwise wait, and send again.",
        'The wait: `sleep(int(response.headers["Retry-After"]))`. The last line of the function is '
        "`return response`.",
    )
    praise = "It waits as long as the server says, doesn't wait otherwise, and gives up in time."
    refusals: ClassVar = {
        "at_once": (
            "The next request came at once. Responding to a rejection with another request only "
            "makes the crowd larger.",
            "In between, `sleep(...)`, for as long as `Retry-After` says.",
        ),
        "too_early": (
            "The wait was shorter than `Retry-After` says: a real server would reject the next "
            "request too.",
            "Wait the full time that this response gives; the next one may give another.",
        ),
        "too_long": (
            "The wait was much longer than `Retry-After` says.",
            "It's in seconds, like the argument of `sleep`; and don't use `X-RateLimit-Reset`, "
            "which says when the whole limit is available again.",
        ),
        "text_for_seconds": (
            "You passed text to `sleep`: headers are text.",
            "Convert it to a number: `int(...)`.",
        ),
        "gives_up_at_once": (
            "The response said when to try again, and the client didn't.",
            "Step 3: after the wait, call `send()` again.",
        ),
        "gives_up_early": (
            "The client was rejected twice, and a third request would have been allowed.",
            "Give up after the third rejection, not before.",
        ),
        "never_gives_up": (
            "After three rejections the client went on.",
            "Count the attempts: three in all.",
        ),
        "retries_errors": (
            "The client retried after a status other than 429: with a 404 or a 500, nothing says "
            "that waiting helps, and a POST might be done twice.",
            "Wait only for 429; return any other response.",
        ),
        "waits_for_nothing": (
            "The client waited before its first request, or after its last one.",
            "Wait only between a rejection and the next attempt.",
        ),
        "missing_header": (
            "Your code looked for `Retry-After` in a response without it: only a 429 has one.",
            "First test the status; read the header only if it's 429.",
        ),
        "raises_at_the_end": (
            "Your code raised an error instead of returning the last response.",
            "Whatever it is, return the last response: the caller decides what it means.",
        ),
        "own_sleep": (
            "You called `time.sleep` instead of the `sleep` that your function was given.",
            "Call the argument, `sleep(...)`: your function's caller decides how to wait.",
        ),
        "first_response": (
            "You sent again and threw the new response away: your function still looks at the "
            "first one.",
            "Keep each response: `response = send()`.",
        ),
        "another_answer": (
            "That's not the last response.",
            "Return the response itself, as `send()` returned it.",
        ),
    }

    @staticmethod
    def polite_client(send, sleep):
        """Return the first response that isn't a rejection, or the third response."""
        response = send()
        for _ in range(2):
            if response.status_code != 429:
                break
            sleep(int(response.headers["Retry-After"]))
            response = send()
        return response

    def judge(self, answer: Any) -> None:
        """Try a success, errors, one rejection, two with different waits, and many."""
        for plan in (
            [200],
            [404],
            [500],
            [503],
            [(503, "7")],
            ["7", 200],
            ["900", 500],
            ["3", "25", 200],
            ["30", "2", 200],
            ["5", "5", "5", "5", "5", "5", 200],
        ):
            self._serve(answer, plan)

    def _serve(self, answer: Any, plan: Sequence[Any]) -> None:
        service = RejectingService(plan)
        shown = "; ".join(map(shown_plan, plan[:4]))
        call = f"{self.name}(send, sleep), with a service that responds {shown}"
        try:
            with no_other_sleep():
                result = self.call(answer, service.send, service.sleep)
        except Refusal as refusal:
            is_at_the_end = len(service.responses) == min(len(plan), 3)
            is_slip = refusal.got.startswith(SLIPS)
            mistakes = {
                "own_sleep": OTHER_SLEEP in refusal.got,
                "missing_header": refusal.got.startswith("KeyError"),
                "raises_at_the_end": is_at_the_end and not is_slip,
                refusal.misconception: True,
            }
            got = f"{service.log()}, then {refusal.got}"
            self.refuse_first(mistakes, call=call, got=got, expected="the last response")
        mistake = service.mistake()
        if len(service.responses) > 1 and result is service.responses[0]:
            mistake = "first_response"
        if not service.responses or (not mistake and result is not service.responses[-1]):
            mistake = "another_answer"
        if mistake:
            got = f"{service.log()}, and returned {brief(result)}"
            self.refuse(mistake, call=call, got=got)
