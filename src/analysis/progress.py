"""How far a report is: what runs, what has ended and how, and how many notebooks of all that is."""

from __future__ import annotations

import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.runs import Job

_WAITING, _RUNNING = "waiting", "running"


class Progress:
    """On a terminal a bar for all notebooks, one for each that runs, and above them a line for each that has ended.

    Elsewhere a line whenever a notebook begins or ends. All are told as waiting before the first begins.
    """

    def __init__(self) -> None:
        self._states: dict[Job, str] = {}
        self._bars: dict[Job | None, Any] = {}
        self._lock = threading.Lock()
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in reversed(self._bars.values()):
            bar.close()

    def __call__(self, job: Job, state: str, done: int, total: int) -> None:
        """Shows that a job has done so many of its cells."""
        with self._lock:
            before, self._states[job] = self._states.get(job), state
            if state == _WAITING:
                return
            ended = sum(one not in (_WAITING, _RUNNING) for one in self._states.values())
            line = f"{'done' if state == 'ok' else state:9} {job.study} · {job.slug}"
            if state != _RUNNING:
                line += f" ({ended} of {len(self._states)})"
            if self._live:
                self._draw(job, line, ended, cells=(done, total))
            elif state != before:
                print(line, file=sys.stderr, flush=True)

    def _draw(self, job: Job, line: str, ended: int, *, cells: tuple[int, int]) -> None:
        from tqdm import tqdm

        whole = self._bar(None, f"{'in all':9}")
        whole.total, whole.n = len(self._states), ended
        if self._states[job] == _RUNNING:
            bar = self._bar(job, line)
            bar.n, bar.total = cells[0], max(cells[1], 1)
            bar.refresh()
        else:
            if job in self._bars:
                self._bars.pop(job).close()
            tqdm.write(line, file=sys.stderr)
        whole.refresh()

    def _bar(self, job: Job | None, label: str) -> Any:
        """The bar of a job, on the first line that is free; of all jobs on the first."""
        from tqdm import tqdm

        if job not in self._bars:
            taken = {-bar.pos for bar in self._bars.values()}
            place = next(n for n in count() if n not in taken)
            looks = "{desc} |{bar:24}| {elapsed}" if job else "{desc} |{bar:24}| {n_fmt} of {total_fmt}, {elapsed}"
            told = {"bar_format": looks, "position": place, "leave": False, "file": sys.stderr}
            self._bars[job] = tqdm(total=1, desc=f"{label:62.62}", **told)
        return self._bars[job]
