"""A service of several processes for tests/test_monitor.py."""

import os
from typing import Any

from fastapi import FastAPI

from course_lib import redis_client
from course_lib.monitor import PerformanceMiddleware, PerformanceMonitor, workers

workers.DEAD_AFTER = 3_000

redis = redis_client.connect(os.environ["REDIS_URL"])
monitor = PerformanceMonitor(redis=redis, namespace=os.environ["NAMESPACE"])
app = FastAPI()
app.add_middleware(PerformanceMiddleware, monitor=monitor)


@app.get("/item/{number}")
async def item(number: int) -> int:
    return number


@app.get("/process")
async def process() -> int:
    return os.getpid()


@app.get("/truth")
async def truth() -> dict[str, Any]:
    whole = await monitor.merged()
    metrics = whole.get_performance_metrics().get("GET /item/{number}")
    folds = await redis.hget(f"{{{os.environ['NAMESPACE']}}}:0.01:past", "folds")
    return {
        "workers": whole.workers,
        "count": metrics.count if metrics else 0,
        "folds": int(folds or 0),
    }
