"""Serve one of the three apps that `whole_api.py` compares, in this process.

    python benchmarks/apps.py APP DATABASE REDIS_URL PORT

It imports only what the app needs, so that it starts quickly.
"""

import sys

import uvicorn

from course_lib.api import create_app

LIMIT = "1000000/minute"  # so that no request is rejected

BARE = "the bare app, uncached"
OURS = "course_lib: cache, limits, monitor"
PEERS = "fastapi-cache2, slowapi, instrumentator"
NEEDED = ("fastapi_cache", "slowapi", "prometheus_fastapi_instrumentator")  # by the peers' app


def bare_app(db_path, redis_url):
    return create_app(db_path)


def our_app(db_path, redis_url):
    limits = {"*": {"pro": LIMIT}}
    return create_app(db_path, redis_url=redis_url, cache=True, limits=limits, monitor=True)


def peers_app(db_path, redis_url):
    import peers_api

    return peers_api.create_app(db_path, redis_url, LIMIT)


APPS = {BARE: bare_app, OURS: our_app, PEERS: peers_app}


def main(name, db_path, redis_url, port):
    app = APPS[name](db_path, redis_url)
    uvicorn.run(app, port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
