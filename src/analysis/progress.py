"""One line a notebook while a report is made: waiting, running, done, failed."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.runs import Job


class Progress:
    """Bars on a terminal; elsewhere a plain line whenever a notebook changes its state."""

    def __init__(self) -> None:
        self._bars: dict[Job, Any] = {}
        self._states: dict[Job, str] = {}
        self._lock = threading.Lock()
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def __call__(self, job: Job, state: str, done: int, total: int) -> None:
        """Shows that a job has done so many of its cells."""
        with self._lock:
            if self._live:
                self._draw(job, state, done, total)
            elif self._states.get(job) != state:
                print(f"{'done' if state == 'ok' else state:9} {_label(job)}", file=sys.stderr, flush=True)
            self._states[job] = state

    def _draw(self, job: Job, state: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if job not in self._bars:
            looks = "{desc} |{bar:24}| {elapsed}"
            self._bars[job] = tqdm(total=1, bar_format=looks, position=len(self._bars), leave=True, file=sys.stderr)
        bar = self._bars[job]
        if state != self._states.get(job) == "waiting":
            bar.reset()
        bar.total, bar.n = max(total, 1), done
        bar.set_description_str(f"{'done' if state == 'ok' else state:9} {_label(job):52.52}")
        if state not in ("waiting", "running"):
            bar.close()  # its clock stops here


def _label(job: Job) -> str:
    return f"{job.study} · {job.slug}"
