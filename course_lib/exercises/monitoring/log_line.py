"""Exercise: a log line for a program to read."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from course_lib.exercises.engine import Exercise
from course_lib.exercises.log_fields import is_rounded, mistake_in
from course_lib.exercises.two_clients import CLIENT, OTHER_CLIENT
from course_lib.exercises.verdict import brief

# Status and seconds: a quick request first, so that only one at the bound remains for the second.
REQUESTS = ((200, 0.021), (200, 0.5), (200, 1.25), (200, 0.5004), (503, 0.0048))
ROUTES = ("/accounts/{account}/login", "/items")


class LogLine(Exercise):
    """One JSON object a line: fields for programs to query, and nothing that the client sent."""

    lesson = "monitoring"
    name = "log_line"
    task = """Write `log_line(request, status, seconds)`: it returns one line of JSON for a finished
request, with

- `"level"`: `"WARNING"` if it took more than half a second, otherwise `"INFO"`
- `"request_id"`, and `"route"`: the method and the template, such as `"GET /items/{item_id}"`
- `"status"` and `"duration_ms"`, as numbers

`request` is a dict with `id`, `method`, `route` (the template), `path` (the actual path), `query`,
`headers` and `body`. Many people read logs, and logs are kept for years: nothing that the client
sent belongs in them."""
    imports = "import json\n\n\n"
    stub = imports + "def log_line(request, status, seconds):\n    return ..."
    hints = (
        "Make a dict of the five fields, and let `json.dumps` write it: that's one line.",
        "Which parts of `request` come from the client, and which from your own code? Write only "
        "`id`, `method` and `route`.",
        '`"duration_ms": seconds * 1000`, and `"level": "WARNING" if seconds > 0.5 else "INFO"`.',
    )
    praise = "A program can add it up, and there's no password in it."
    refusals: ClassVar = {
        "not_text": (
            "That's a dict, and not yet a line of text.",
            "Return what `json.dumps` makes of it.",
        ),
        "not_json": (
            "That's not JSON: a program can't tell where a value ends.",
            "Let `json.dumps` write it; an f-string doesn't quote, and `str(dict)` uses Python's "
            "own notation.",
        ),
        "not_an_object": (
            "That's JSON, but not an object: a program finds each value by its name.",
            "Pass one dict with the five fields to `json.dumps`, once.",
        ),
        "several_lines": (
            "One request has to be one line: `grep` and every log collector work line by line.",
            "Don't use `indent`.",
        ),
        "leaks_path": (
            "It contains the actual path, and so the user that the request is about. It also turns "
            "each user into an endpoint of its own.",
            "Use the template, `route`.",
        ),
        "leaks_query": (
            "It contains the query: that's where tokens and search terms are.",
            "Write only the five fields that the task asks for.",
        ),
        "leaks_headers": (
            "It contains the headers, and with them the client's key and cookies.",
            "Write only the five fields that the task asks for.",
        ),
        "leaks_body": (
            "It contains the body, here with a password.",
            "Write only the five fields that the task asks for.",
        ),
        "leaks_derived": (
            "A field changes with what the client sent: a hash, a part or another form of it is "
            "still the client's.",
            "Write only the five fields that the task asks for.",
        ),
        "no_field": ("A field is missing.", "The task lists the five names."),
        "text_for_number": (
            "A number was written as text: a program can't add it up or compare it.",
            "No quotes and no unit: the unit is in the field's name.",
        ),
        "another_unit": (
            "`duration_ms` isn't in milliseconds.",
            "A second has a thousand of them.",
        ),
        "no_method": (
            "The method is missing from `route`: reading and writing would be the same endpoint.",
            'Method, a space, and the template: `"GET /items/{item_id}"`.',
        ),
        "level_word": (
            "The level is another word, or not in capital letters, so a search for `WARNING` "
            "doesn't find the line.",
            'Write `"WARNING"` and `"INFO"`, as in the task.',
        ),
        "level_at_the_bound": (
            "A request that took exactly half a second isn't a `WARNING`: it has to take more.",
            "Compare with `>`: `seconds > 0.5`.",
        ),
        "level_by_status": (
            "A quick error didn't get `INFO`, but here the level depends only on the time.",
            "Leave the status out of the level; it has a field of its own.",
        ),
        "another_level": (
            "The level is wrong: `WARNING` is for requests that took more than half a second.",
            "Half a second is 0.5, because `seconds` is in seconds.",
        ),
        "another_value": (
            "A field doesn't have the value that the task asks for.",
            "Compare it with the task.",
        ),
    }

    @staticmethod
    def log_line(request, status, seconds):
        """Return one line of JSON for a finished request."""
        return json.dumps(
            {
                "level": "WARNING" if seconds > 0.5 else "INFO",
                "request_id": request["id"],
                "route": f"{request['method']} {request['route']}",
                "status": status,
                "duration_ms": seconds * 1000,
            }
        )

    def judge(self, answer: Callable[[Mapping[str, Any], int, float], str]) -> None:
        """Try a quick request, a slow one and a quick error, all with parts that need quoting."""
        for number, (status, seconds) in enumerate(REQUESTS):
            route = ROUTES[number % 2]
            own = {"id": f'7f"{number}', "method": "POST" if number else "PUT", "route": route}
            request = own | CLIENT | {"path": route.replace("{account}", "ada@example.org")}
            call = f"log_line(request, {status}, {seconds})"
            line = self.call(answer, request, status, seconds)
            if isinstance(line, dict):
                self.refuse("not_text", call=call, got=brief(line), expected="one line of JSON")
            if not isinstance(line, str):
                self.refuse("wrong_type", call=call, got=brief(line), expected="a string")
            self._expect_no_secrets(line, call)
            expected = json.loads(self.solution_answer(request, status, seconds))
            self._compare(line, expected, request, call)
        self._expect_the_same_for_another_client(answer)

    def _expect_the_same_for_another_client(self, answer: Callable[..., str]) -> None:
        """Expect that no field changes if only what the client sends does."""
        own = {"id": "7f", "method": "GET", "route": "/items"}
        requests = [own | CLIENT, own | OTHER_CLIENT, own | CLIENT]
        first, other, again = (
            self._fields(self.call(answer, request, 200, 0.1), "") for request in requests
        )
        for name, value in first.items():
            # A field that changes by itself, such as the time, has changed in the third line too.
            if again.get(name) == value != other.get(name):
                call = "log_line(request, 200, 0.1), for two clients"
                got = f"{name}: {brief(value)} and {brief(other.get(name))}"
                self.refuse("leaks_derived", call=call, got=got, expected="the same for both")

    def _expect_no_secrets(self, line: str, call: str) -> None:
        mistakes = {
            "leaks_body": "pa55" in line,
            "leaks_headers": "s3" in line,
            "leaks_query": "t0ken" in line or "shoes" in line,
            "leaks_path": "ada@" in line,
        }
        self.refuse_first(mistakes, call=call, got=line)

    def _compare(
        self, line: str, expected: Mapping[str, Any], request: Mapping[str, Any], call: str
    ) -> None:
        fields = self._fields(line, call)
        for name, value in expected.items():
            if name not in fields:
                self.refuse("no_field", call=call, got=line, expected=name)
            got = fields[name]
            if got != value and not is_rounded(got, value):
                mistake = mistake_in(name, got, request, expected)
                shown = f"{name}: {brief(got)}"
                self.refuse(mistake, call=call, got=shown, expected=brief(value))

    def _fields(self, line: str, call: str) -> dict[str, Any]:
        """Return the fields of a line. Refuses what isn't one JSON object in one line."""
        try:
            fields = json.loads(line)
        except ValueError:
            self.refuse("not_json", call=call, got=line, expected="one JSON object")
        if not isinstance(fields, dict):
            self.refuse("not_an_object", call=call, got=line, expected="one JSON object")
        if len(line.splitlines()) > 1:
            self.refuse("several_lines", call=call, got=line, expected="one line")
        return fields
