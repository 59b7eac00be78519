"""What a server counts of the requests that it answers, since it began."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from itertools import accumulate

from pipelinekit.rest.exposition import COUNTER, HISTOGRAM, Family, Sample, gauge, histogram

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # routes and methods that are not ours: whoever makes them up makes no new label
REASONS = {401: "unauthenticated", 403: "forbidden", 429: "rate"}


class Meters:
    """Counts requests by the route that they came to, never by their address. For one event loop."""

    def __init__(self) -> None:
        self.began_at = time.time()
        self.in_progress = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._refused: Counter[str] = Counter()
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._buckets: dict[tuple[str, str], list[int]] = {}

    def count(self, route: str, method: str, status: int, seconds: float, refused: str = "") -> None:
        """Count a request that was answered. `refused` says why it came to no route."""
        place = route or OTHER, method if method in METHODS else OTHER
        self._requests[*place, status] += 1
        self._seconds[place] += seconds
        self._buckets.setdefault(place, [0] * (len(BOUNDS) + 1))[bisect_left(BOUNDS, seconds)] += 1
        if reason := refused or REASONS.get(status, ""):
            self._refused[reason] += 1

    def families(self) -> list[Family]:
        """All of it."""
        requests = [
            Sample(count, {"route": route, "method": method, "status": str(status)})
            for (route, method, status), count in sorted(self._requests.items())
        ]
        durations: list[Sample] = []
        for (route, method), found in sorted(self._buckets.items()):
            *bounded, count = accumulate(found)
            labels = {"route": route, "method": method}
            durations += histogram(labels, dict(zip(BOUNDS, bounded, strict=True)), count, self._seconds[route, method])
        refused = [Sample(count, {"reason": reason}) for reason, count in sorted(self._refused.items())]
        words = "Seconds until a request was answered; of a stream, until it began."
        return [
            Family("pipelinekit_http_requests_total", COUNTER, "Requests that were answered.", requests),
            Family("pipelinekit_http_request_duration_seconds", HISTOGRAM, words, durations),
            Family("pipelinekit_http_refused_total", COUNTER, "Requests that were refused, by reason.", refused),
            gauge("pipelinekit_http_requests_in_progress", "Requests that are being answered.", self.in_progress),
            gauge("process_start_time_seconds", "When the server began, in seconds since 1970.", self.began_at),
        ]
