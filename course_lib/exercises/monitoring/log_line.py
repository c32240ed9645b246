"""One JSON object a line: fields that a program can ask for, and nothing that somebody sent."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from course_lib.exercises.answers import as_number
from course_lib.exercises.engine import Exercise
from course_lib.exercises.verdict import brief


class LogLine(Exercise):
    """One JSON object a line: fields that a program can ask for, and nothing that somebody sent."""

    lesson = "monitoring"
    name = "log_line"
    task = """Write `log_line(request, status, seconds)`: one line of JSON for a request that has been answered, with

- `"level"`: `"WARNING"` where it took more than half a second, else `"INFO"`
- `"request_id"`, and `"route"`: the method and the template, such as `"GET /items/{item_id}"`
- `"status"` and `"duration_ms"`, as numbers

`request` is a dict with `id`, `method`, `route` (the template), `path` (as it was asked for), `query`, `headers` and
`body`. Logs are read by many and kept for long: what the client sent has no place in them."""
    imports = "import json\n\n\n"
    stub = imports + "def log_line(request, status, seconds):\n    return ..."
    hints = (
        "Make a dict of the five fields, and let `json.dumps` write it: that is one line.",
        "Which parts of `request` come from the client, and which from your own code? Only `route` is the latter's.",
        '`"duration_ms": seconds * 1000`, and `"level": "WARNING" if seconds > 0.5 else "INFO"`.',
    )
    praise = "A program can sum it up, and nobody finds a password in it."
    refusals: ClassVar = {
        "not_json": (
            "That is not JSON: no program can be sure where a value ends.",
            "Let `json.dumps` write it; an f-string does not quote, and `str(dict)` is Python's own way.",
        ),
        "several_lines": (
            "One request has to be one line: `grep` and every collector go by lines.",
            "No `indent`.",
        ),
        "leaks_path": (
            "The path as it was asked for is in it, and with it whom it is about. It also makes each user an endpoint "
            "of their own.",
            "Take the template, `route`.",
        ),
        "leaks_query": (
            "The query is in it: tokens and search words stand there.",
            "Only the five fields that were asked for.",
        ),
        "leaks_headers": (
            "The headers are in it, and with them whoever's key and cookies.",
            "Only the five fields that were asked for.",
        ),
        "leaks_body": (
            "The body is in it, here with a password.",
            "Only the five fields that were asked for.",
        ),
        "no_field": ("A field is missing.", "The five names are given in the task."),
        "text_for_number": (
            "A number was written as text: nothing can be summed or compared with it.",
            "No quotes and no unit: the unit stands in the field's name.",
        ),
        "another_unit": (
            "`duration_ms` is not in milliseconds.",
            "A second has a thousand of them.",
        ),
        "no_method": (
            "The method is not in `route`: reading and writing the same thing would be one endpoint.",
            'Method, a space, and the template: `"GET /items/{item_id}"`.',
        ),
        "another_level": (
            "The level is wrong: `WARNING` is for what took more than half a second, whatever the status.",
            "`seconds` are seconds; and an error that came quickly has its status.",
        ),
        "another_value": (
            "A field holds something else than was asked for.",
            "Compare it with the task.",
        ),
    }

    @staticmethod
    def log_line(request, status, seconds):
        """One line of JSON for a request that was answered."""
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
        """A quick request, a slow one, a quick error, and one whose every part needs quoting."""
        for number, (status, seconds) in enumerate(((200, 0.5), (200, 1.25), (503, 0.004))):
            request = {
                "id": f'7f"{number}',
                "method": "POST" if number else "PUT",
                "route": "/accounts/{account}/login",
                "path": "/accounts/ada@example.org/login",
                "query": "token=t0ken&q=shoes",
                "headers": {"authorization": "Bearer s3cret", "cookie": "session=s3ssion"},
                "body": '{"password": "pa55word"}',
            }
            call = f"log_line(request, {status}, {seconds})"
            result = self.call(answer, request, status, seconds)
            if not isinstance(result, str):
                self.refuse("wrong_type", call=call, got=brief(result), expected="a string")
            self._read(result, request, status, seconds, call)

    def _read(
        self, line: str, request: Mapping[str, Any], status: int, seconds: float, call: str
    ) -> None:
        for mistake, secret in (
            ("leaks_path", "ada@"),
            ("leaks_query", "t0ken"),
            ("leaks_query", "shoes"),
            ("leaks_headers", "s3"),
            ("leaks_body", "pa55"),
        ):
            if secret in line:
                self.refuse(mistake, call=call, got=line)
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            self.refuse("not_json", call=call, got=line, expected="one JSON object")
        if len(line.splitlines()) > 1:
            self.refuse("several_lines", call=call, got=line, expected="one line")
        expected = {
            "level": "WARNING" if seconds > 0.5 else "INFO",
            "request_id": request["id"],
            "route": f"{request['method']} {request['route']}",
            "status": status,
            "duration_ms": seconds * 1000,
        }
        for name, value in expected.items():
            if name not in fields:
                self.refuse("no_field", call=call, got=line, expected=name)
            if fields[name] != value and not self._rounded(fields[name], value):
                mistake = self._mistake(name, fields[name], request)
                self.refuse(
                    mistake, call=call, got=f"{name}: {brief(fields[name])}", expected=brief(value)
                )

    def _rounded(self, found: object, value: object) -> bool:
        number = as_number(found)
        return isinstance(value, float) and number is not None and abs(number - value) <= 0.5

    def _mistake(self, name: str, found: object, request: Mapping[str, Any]) -> str:
        if name in {"status", "duration_ms"} and isinstance(found, str):
            return "text_for_number"
        if name == "duration_ms":
            return "another_unit"
        if name == "route" and found == request["route"]:
            return "no_method"
        return "another_level" if name == "level" else "another_value"
