"""The service with several processes that test_monitor.py and test_prometheus.py start."""

import os
from typing import Any

from fastapi import FastAPI, Response

from course_lib import redis_client
from course_lib.monitor import PerformanceMiddleware, PerformanceMonitor, prometheus, workers

NAMESPACE = os.environ["NAMESPACE"]

workers.DEAD_AFTER = 3_000

redis = redis_client.connect(os.environ["REDIS_URL"])
monitor = PerformanceMonitor(redis=redis, namespace=NAMESPACE)
app = FastAPI()
app.add_middleware(PerformanceMiddleware, monitor=monitor)


@app.get("/item/{number}")
async def item(number: int) -> int:
    return number


@app.get("/process")
async def process() -> int:
    return os.getpid()


@app.get("/totals")
async def totals() -> dict[str, Any]:
    merged = await monitor.merged()
    metrics = merged.get_performance_metrics().get("GET /item/{number}")
    folds = await redis.hget(f"{{{NAMESPACE}}}:0.01:past", "folds")
    return {
        "workers": merged.workers,
        "count": metrics.count if metrics else 0,
        "folds": int(folds or 0),
    }


@app.get("/metrics")
async def metrics() -> Response:
    whole = await monitor.merged()
    return Response(prometheus(whole), 200 if whole.complete else 503)
