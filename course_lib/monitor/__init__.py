"""Measure what requests and statements take: percentiles that add up over workers, slow statements, a dashboard.

    monitor = PerformanceMonitor()
    app.add_middleware(PerformanceMiddleware, monitor=monitor)

Read `monitor.py` first, then `histogram.py`.
"""

from course_lib.monitor.dashboard import figures, page, prometheus
from course_lib.monitor.histogram import Histogram
from course_lib.monitor.monitor import Metrics, PerformanceMiddleware, PerformanceMonitor, SlowQuery

__all__ = [
    "Histogram",
    "Metrics",
    "PerformanceMiddleware",
    "PerformanceMonitor",
    "SlowQuery",
    "figures",
    "page",
    "prometheus",
]
