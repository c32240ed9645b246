"""Performance monitoring: latency percentiles per endpoint, slow statements, and a dashboard.

    monitor = PerformanceMonitor()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)

Read `monitor.py` first, then `histogram.py`; `request.py` shows how a request is timed, and
`workers.py` how workers share their counts. The files by what they're for:

    a request     middleware.py --> request.py, websocket.py --> endpoints.py, request_ids.py
                  receiving.py      has its client left?
                  lines.py          its line in the log
    counting      monitor.py    --> entries.py --> histogram.py;  arguments.py checks
                  watched.py        counters that other code keeps
    reading       readings.py   --> dashboard.py, with the page and Prometheus's text
    the process   background.py --> lag.py;  forks.py starts a forked worker at zero
    the service   workers.py    --> totals.py --> Redis;  siblings.py finds workers without it
                  turns.py          one report at a time, in any event loop
"""

from course_lib.monitor.dashboard import PROMETHEUS, figures, page, prometheus
from course_lib.monitor.endpoints import endpoint_of
from course_lib.monitor.entries import Metrics, SlowQuery
from course_lib.monitor.histogram import Histogram
from course_lib.monitor.middleware import PerformanceMiddleware
from course_lib.monitor.monitor import PerformanceMonitor

__all__ = [
    "PROMETHEUS",
    "Histogram",
    "Metrics",
    "PerformanceMiddleware",
    "PerformanceMonitor",
    "SlowQuery",
    "endpoint_of",
    "figures",
    "page",
    "prometheus",
]
