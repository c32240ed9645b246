"""The requests of two clients: their contents differ, and are equally long; for `log_line`."""


class Headers(dict[str, str]):
    """Headers that are found in upper case too, as in most frameworks."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Return a header's value, or `default` if the client didn't send it."""
        return super().get(name.lower(), default)


CLIENT = {
    "path": "/items",
    "query": "token=t0ken&q=shoes",
    "headers": Headers(
        {
            "authorization": "Bearer s3cret",
            "cookie": "session=s3ssion",
            "user-agent": "Browser/1",
            "x-forwarded-for": "203.0.113.77",
        }
    ),
    "body": '{"password": "pa55word"}',
}
OTHER_CLIENT = {
    "path": "/Items",
    "query": "topic=b00ks&p=ocean",
    "headers": Headers(
        {
            "authorization": "Basic  0ther1",
            "custom": "visitor=vis1tor",
            "user-agent": "Crawler/2",
            "x-forwarded-for": "198.51.100.7",
        }
    ),
    "body": '{"passcode": "w0rdpass"}',
}
