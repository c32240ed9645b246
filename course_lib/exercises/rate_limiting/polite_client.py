"""Wait as long as one is told, and give up in time."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import httpx

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.fakes import NamedFunction
from course_lib.exercises.verdict import brief


class PoliteClient(Exercise):
    """Wait as long as one is told, and give up in time."""

    lesson = "rate_limiting"
    name = "polite_client"
    task = """Write a client that behaves: `polite_client(send, sleep)`. `send()` sends its request and gives the
response, with `.status_code` and `.headers`; `sleep(seconds)` waits.

1. **send**
2. **wait**, where the answer is 429 (and only there): as many seconds as the header `Retry-After` says, which is text
3. **send again**, and after the third refusal **give up**: whatever the last response is, it is the answer"""
    stub = """def polite_client(send, sleep):
    response = send()  # 1 send
    ...  # 2 wait, and 3 send again, at most twice
    return ...  # the last response"""
    hints = (
        "Three requests at most, so two waits at most: `for _ in range(2):` begins a loop of two rounds.",
        "In a round: `if response.status_code != 429: break`. Else wait, and send again.",
        'The wait: `sleep(int(response.headers["Retry-After"]))`. The last line of the function is `return response`.',
    )
    praise = "Waited as long as it was told, not at all where it was not, and gave up in time."
    refusals: ClassVar = {
        "at_once": (
            "The next request came at once. A refusal that is answered by another request makes the crowd larger.",
            "Between the two: `sleep(...)`, for as long as `Retry-After` says.",
        ),
        "too_early": (
            "The wait was shorter than `Retry-After` says, so the next request was for nothing.",
            "Wait the whole time that this response names; the next one may name another.",
        ),
        "too_long": (
            "The wait was much longer than `Retry-After` says.",
            "It counts seconds, as `sleep` does; and it is not `X-RateLimit-Reset`, which says when all is free again.",
        ),
        "text_for_seconds": (
            "`sleep` was given text: headers are text.",
            "Make a number of it: `int(...)`.",
        ),
        "gives_up_at_once": (
            "It was told when to come again, and did not come.",
            "Step 3: after the wait, `send()` once more.",
        ),
        "gives_up_early": (
            "It was refused twice, and a third request would have passed.",
            "Give up after the third refusal, not before.",
        ),
        "never_gives_up": (
            "After three refusals it went on.",
            "Count the attempts: three in all.",
        ),
        "retries_errors": (
            "A response that is no 429 was answered by another request: for a 404 or a 500 nobody said that waiting "
            "helps, and a POST might be done twice.",
            "Only 429 is waited for; all others are the answer.",
        ),
        "waits_for_nothing": (
            "It waited although no further request followed.",
            "Wait only between a refusal and the next attempt.",
        ),
        "another_answer": (
            "That is not the last response.",
            "Return the response itself, as `send()` gave it.",
        ),
    }

    @staticmethod
    def polite_client(send, sleep):
        """The first response that is no refusal, after up to three attempts."""
        response = send()
        for _ in range(2):
            if response.status_code != 429:
                break
            sleep(int(response.headers["Retry-After"]))
            response = send()
        return response

    def judge(self, answer: Any) -> None:
        """Admitted at once, errors, a refusal, two with different waits, and no end of them."""
        for plan in (
            [200],
            [404],
            [500],
            [503],
            ["7", 200],
            ["40", 500],
            ["3", "25", 200],
            ["30", "2", 200],
        ):
            self._meet(answer, plan)
        self._meet(answer, [*["5"] * 6, 200])

    def _meet(self, answer: Any, plan: Sequence[Any]) -> None:
        service = _Service(plan)
        result = self.call(answer, service.send, service.sleep)
        mistake = service.mistake()
        if not service.sent or (not mistake and result is not service.sent[-1]):
            mistake = "another_answer"
        if mistake:
            answers = [
                f"429, Retry-After: {each}" if isinstance(each, str) else str(each)
                for each in plan[:4]
            ]
            call = f"{self.name}(send, sleep), of a service that answers {'; '.join(answers)}"
            self.refuse(mistake, call=call, got=f"{service!r}, and returned {brief(result)}")


class _Service:
    """Answers in turn by a status, or by a refusal with this Retry-After, and notes what its client does."""

    def __init__(self, plan: Sequence[Any]) -> None:
        self.plan = plan
        self.sent: list[httpx.Response] = []
        self.waits: list[list[Any]] = [
            []
        ]  # what `sleep` was given before the first request, and after each
        self.send, self.sleep = (
            NamedFunction("send", self._answer),
            NamedFunction("sleep", self._wait),
        )

    def __repr__(self) -> str:
        waits = [[f"waited {brief(each)}" for each in wait] for wait in self.waits]
        return (
            ", ".join([*waits[0], *itertools.chain(*(["sent", *wait] for wait in waits[1:]))])
            or "sent nothing"
        )

    def _answer(self) -> httpx.Response:
        answer = self.plan[min(len(self.sent), len(self.plan) - 1)]
        refusal = {"Retry-After": str(answer), "X-RateLimit-Reset": "90"}
        self.sent.append(
            httpx.Response(429, headers=refusal)
            if isinstance(answer, str)
            else httpx.Response(answer)
        )
        self.waits.append([])
        return self.sent[-1]

    def _wait(self, seconds: Any) -> None:
        self.waits[-1].append(seconds)

    def mistake(self) -> str | None:
        """The first thing that its client did wrong."""
        waits = list(itertools.chain(*self.waits))
        if any(isinstance(wait, str | bytes) for wait in waits):
            return "text_for_seconds"
        if not all(
            (seconds := as_number(wait)) is not None and 0 <= seconds < math.inf for wait in waits
        ):
            return "wrong_type"
        waited = [sum(map(float, wait)) for wait in self.waits[1:]]
        for number, response in enumerate(self.sent):
            is_last, told = (
                number == len(self.sent) - 1,
                int(response.headers.get("Retry-After", 0)),
            )
            for mistake, made in {
                "retries_errors": not told and not is_last,
                "waits_for_nothing": waited[number] and is_last,
                "at_once": told and not is_last and not waited[number],
                "too_early": not is_last and waited[number] < told,
                "too_long": waited[number] > 1.5 * told + 2,
            }.items():
                if made:
                    return mistake
        wanted = min(len(self.plan), 3)
        if len(self.sent) < wanted:
            return "gives_up_at_once" if len(self.sent) == 1 else "gives_up_early"
        return "never_gives_up" if len(self.sent) > wanted else None
