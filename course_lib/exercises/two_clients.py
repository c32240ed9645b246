"""The requests of two clients: their contents differ, and are equally long; for `log_line`."""

CLIENT = {
    "path": "/items",
    "query": "token=t0ken&q=shoes",
    "headers": {
        "authorization": "Bearer s3cret",
        "cookie": "session=s3ssion",
        "user-agent": "Browser/1",
    },
    "body": '{"password": "pa55word"}',
}
OTHER_CLIENT = {
    "path": "/Items",
    "query": "topic=b00ks&p=ocean",
    "headers": {
        "authorization": "Basic  0ther1",
        "cookie": "visitor=vis1tor",
        "user-agent": "Crawler/2",
    },
    "body": '{"passcode": "w0rdpass"}',
}
