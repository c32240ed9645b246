"""An app is called without a server, as often as asked."""

from course_lib.lab import in_process


def test_the_function_calls_the_app_that_often_with_a_get_request():
    requests = []

    async def app(scope, receive, send):
        requests.append((scope["method"], scope["path"], await receive()))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    in_process.caller(app, times=3)()
    body = {"type": "http.request", "body": b"", "more_body": False}
    assert requests == [("GET", "/", body)] * 3
