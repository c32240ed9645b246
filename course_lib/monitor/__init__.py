"""Performance monitoring: latency percentiles per endpoint, slow statements, and a dashboard.

    monitor = PerformanceMonitor()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)

Read `monitor.py` first, then `histogram.py`; `request.py` shows how a request is timed.
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
