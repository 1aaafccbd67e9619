"""Runs notebooks: plans what is to be run, executes it in processes of its own, and cleans what came out."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis import engines, findings, scores
from analysis.kernels import Nurseries
from analysis.notebooks import FINDINGS, Notebook, catalogue
from analysis.studies import Study
from analysis.tables import SettingsError
from analysis.worker import end_descendants

OK, FAILED, TIMED_OUT, DIED, CANCELLED, REFUSED = "ok", "failed", "timed out", "kernel died", "cancelled", "refused"

# What stands in the shell and must not reach a kernel.
UNHEARD = ("PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", scores.PLACE)
# A kernel gets these and not what happens to stand in the shell: the same inputs must give the same bytes. One BLAS
# thread, because a second one costs small fits a factor and shifts last digits.
KERNEL = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "SOURCE_DATE_EPOCH": "0",  # the date that matplotlib writes into a figure
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


@dataclass(frozen=True, eq=False)  # a job is itself: two runs with the same parameters stay two
class Job:
    """One notebook to be run on one study with given parameters."""

    study: str
    notebook: Notebook
    parameters: Mapping[str, Any]
    name: str = ""
    cell_timeout: int = 300
    report_timeout: int = 1200
    memory_limit: int | None = None  # bytes

    @property
    def slug(self) -> str:
        """Names the page: the notebook, and the run's own name where it has one."""
        return f"{self.notebook.name}-{self.name}" if self.name else self.notebook.name

    @property
    def effective(self) -> dict[str, Any]:
        """Every parameter with the value that holds in this run."""
        return {name: p.default for name, p in self.notebook.parameters.items()} | dict(self.parameters)


@dataclass(frozen=True)
class Outcome:
    """What became of a job. `message` may be published; `detail` may name values of the data and stays here."""

    job: Job
    verdict: str
    message: str = ""
    detail: str = ""
    cell: int | None = None
    seconds: float = 0.0
    peak_mib: int = 0
    cpu_seconds: float = 0.0
    executed: Path | None = field(default=None, compare=False)
    kernel: str = "fresh"


def plan(study: Study) -> list[Job]:
    """The runs of a study: those it lists, or every notebook whose tables it has, once; some run only where listed.

    Raises:
        SettingsError: runs name notebooks whose tables the study does not have, or parameters that do not fit; the
            message lists them all.
    """
    books = catalogue()
    fitting: list[tuple[Notebook, str, Mapping[str, Any]]] = [
        (n, "", {}) for n in books.values() if not lacks(study, n) and not n.listed
    ]
    wanted = [(books[r.notebook], r.name or "", r.parameters) for r in study.runs] or fitting
    jobs, problems = [], []
    for notebook, name, parameters in wanted:
        try:
            jobs.append(job(study, notebook, name=name, parameters=parameters))
        except SettingsError as problem:
            problems.append(str(problem))
    if problems:
        raise SettingsError("\n".join(problems))
    return jobs


def job(study: Study, notebook: Notebook, *, name: str = "", parameters: Mapping[str, Any] | None = None) -> Job:
    """One run: the study's own parameters where the notebook knows them, then the run's.

    Raises:
        SettingsError: the study lacks a table that the notebook needs, or parameters are unknown or of another type.
    """
    where = f"study {study.name}, notebook {notebook.name}"
    if lacking := lacks(study, notebook):
        raise SettingsError(f"{where}: the study has no table {', '.join(lacking)}, which this notebook needs.")
    known = {n: v for n, v in study.parameters.items() if n in notebook.parameters}
    chosen = notebook.values({**known, **(parameters or {})}, where=where)
    limits = (study.cell_timeout, study.report_timeout, study.memory_limit)
    return Job(study.name, notebook, {"study": study.name, **chosen}, name, *limits)


def lacks(study: Study, notebook: Notebook) -> list[str]:
    """The tables that a study would have to bring; "subscriptions|orders" is met by either."""
    needed = (table.split("|") for table in notebook.needs if table != FINDINGS)
    return [" or ".join(either) for either in needed if not any(map(study.has, either))]


Told = Callable[[Job, str, int, int], None]


class Runner:
    """Executes jobs side by side, each in a process group of its own, and can stop them all."""

    def __init__(self, *, workers: int, folder: Path, environment: Mapping[str, str], told: Told) -> None:
        self.workers, self.folder, self.told = workers, folder, told
        clean = {k: v for k, v in os.environ.items() if k not in UNHEARD}
        self.environment = clean | KERNEL | dict(environment) | engines.shared()
        self.running: set[subprocess.Popen[str]] = set()
        self.cancelled = threading.Event()
        self.ended: Callable[[Outcome], None] = lambda outcome: None
        self.nurseries = Nurseries(self.environment)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.nurseries.close()
        engines.forget()

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Executes all jobs; on an interrupt ends what runs and raises KeyboardInterrupt again."""
        self.nurseries.expect(len(jobs), self.workers)
        with ThreadPoolExecutor(self.workers) as pool:
            # Long ones first, so that the last one to end is short and no worker waits for it.
            waiting = {j: pool.submit(self._one, j) for j in sorted(jobs, key=lambda job: -job.notebook.cells)}
            try:
                return [waiting[j].result() for j in jobs]
            except BaseException:
                self.cancelled.set()
                self.stop()
                raise

    def stop(self) -> None:
        """Ends what runs."""
        for process in list(self.running):
            end_tree(process)

    def _one(self, job: Job) -> Outcome:
        if self.cancelled.is_set():
            return Outcome(job, CANCELLED)
        executed = self.folder / job.study / f"{job.slug}.ipynb"
        executed.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        answer = self.execute(job, executed)
        verdict = CANCELLED if self.cancelled.is_set() else answer["verdict"]
        outcome = Outcome(
            job,
            verdict,
            message=_public(verdict, answer, job),
            detail=f"{answer.get('error', '')}: {answer.get('message', '')}",
            cell=answer.get("cell"),
            seconds=time.monotonic() - started,
            peak_mib=answer.get("peak_mib", 0),
            cpu_seconds=answer.get("cpu_seconds", 0.0),
            executed=executed,
            kernel="warm" if "ended" in answer else "fresh",
        )
        self.ended(outcome)
        self.told(job, verdict, 1, 1)
        return outcome

    def execute(self, job: Job, executed: Path) -> dict[str, Any]:
        """Has one notebook executed, its result written to `executed`; returns what its worker said last."""
        order = {
            "notebook": str(job.notebook.path),
            "executed": str(executed),
            "folder": str(job.notebook.path.parent),
            "parameters": dict(job.parameters),
            "cell_timeout": job.cell_timeout,
            "memory_limit": job.memory_limit,
            "opened": str(executed.with_suffix(".opened")),
            "log": str(log := executed.with_suffix(".log")),
        }
        log.write_text("")
        answer: dict[str, Any] = self._warm(job, order) if self.nurseries.warm else {"cold": ""}
        if "cold" in answer and not self.cancelled.is_set():
            answer = self._fresh(job, order)
        if answer.get("error") == "WorkerDied":
            answer["message"] += "\n" + log.read_text()[-2000:]
        return answer

    def _warm(self, job: Job, order: Mapping[str, Any]) -> dict[str, Any]:
        """Has the order served by a fork of a process that has imported the libraries already."""
        process = self.nurseries.take()
        answer = self._supervised(job, process, order)
        if answer.get("error") == "WorkerDied" and not {"cells", "ended"} & answer.keys():
            answer["cold"] = answer["message"]  # it ended before any worker of it began
        self.nurseries.give_back(process, answer)
        return answer

    def _fresh(self, job: Job, order: Mapping[str, Any]) -> dict[str, Any]:
        """Has the order served by a process of its own."""
        with (
            Path(order["log"]).open("a") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "analysis.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=self.environment,
                start_new_session=True,  # Ctrl-C is for the runner, which then ends its workers in order
            ) as process,
        ):
            return self._supervised(job, process, order)

    def _supervised(self, job: Job, process: subprocess.Popen[str], order: Mapping[str, Any]) -> dict[str, Any]:
        """Listens to a worker until it ends or its time is over."""
        self.running.add(process)
        overdue = threading.Event()

        def stop() -> None:
            overdue.set()
            end_tree(process)

        deadline = threading.Timer(job.report_timeout, stop)
        deadline.start()
        try:
            answer = self._listen(job, process, order)
        finally:
            deadline.cancel()
            deadline.join()  # a stop that has begun must not reach what this process does next
            self.running.discard(process)
        if overdue.is_set():
            process.wait()
            answer |= {"verdict": TIMED_OUT, "error": "ReportTimeout", "message": ""}
        return answer

    def _listen(self, job: Job, process: subprocess.Popen[str], order: Mapping[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        last: dict[str, Any] = {}
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it died at once; the missing outcome says so below
        for line in process.stdout:
            last |= (message := json.loads(line))
            if "cells" in message:
                self.told(job, "running", message["done"] or 0, message["cells"])
            if "ended" in message:
                break
        code = last["ended"] if "ended" in last else process.wait()
        if "verdict" in last or "cold" in last:
            return last
        if kernel := last.get("kernel"):
            with suppress(ProcessLookupError):
                end_descendants(kernel)
                os.kill(kernel, signal.SIGKILL)
        died = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return last | {"verdict": FAILED, "error": "WorkerDied", "message": died}


def end_tree(process: subprocess.Popen[str]) -> None:
    """Ends a worker and all it started, the worker last: it holds together what its kernel leaves behind."""
    end_descendants(process.pid)
    process.kill()


def _public(verdict: str, answer: Mapping[str, Any], job: Job) -> str:
    """What may be published of a failure: our own messages in full, of others only their type.

    Our own never hold a value that names a person; a message from inside a library may.
    """
    cell = f"cell {answer['cell']}" if answer.get("cell") is not None else "the notebook"
    if verdict == OK:
        return ""
    if verdict == TIMED_OUT:
        whole = answer.get("error") == "ReportTimeout"
        limit = f"{job.report_timeout} seconds in all" if whole else f"{job.cell_timeout} seconds a cell"
        key = "report_timeout" if whole else "cell_timeout"
        return f"Stopped in {cell}: it ran longer than the limit ({limit}). Raise {key} in studies.toml."
    if verdict == DIED:
        return _death(cell, answer, job)
    if answer.get("error") in ("TableError", "SettingsError", "LoyaltyError"):
        return str(answer.get("message"))
    return f"{answer.get('error')} in {cell}. The terminal that ran the report shows the message."


def _death(cell: str, answer: Mapping[str, Any], job: Job) -> str:
    """How a kernel died, with the most memory it was seen to hold."""
    held = f"{answer.get('peak_mib', 0):,} MiB of memory"
    if answer.get("over") and job.memory_limit:
        limit = f"{job.memory_limit / 2**20:,.0f} MiB"
        return (
            f"The kernel died in {cell}: with its children it held {held}, more than the limit of {limit}. "
            "Raise memory_limit in studies.toml."
        )
    return f"The kernel died in {cell}, as it does when memory runs out. It held up to {held}."


# What differs between two runs of the same, although nothing of meaning does.
WANDERS = (
    (re.compile(r"(?<= at )0x[0-9a-f]{6,16}"), "0x0"),  # where an object lay in memory
    # Bounded, and tried at the beginnings of words alone: a picture is one word of a million characters.
    (re.compile(r"""(?<![^\s"'>])[^\s"'<>]{0,300}/ipykernel_\d+/\d+\.py"""), "cell.py"),
    (re.compile(r"(?<=Date:)((?:</th>)?\s+(?:<td>)?)\w{3}, \d\d \w{3} \d{4}"), r"\1               –"),  # statsmodels
    (re.compile(r"(?<=Time:)((?:</th>\s+<td>)|\s{6,})\d\d:\d\d:\d\d"), r"\1       –"),
    (re.compile(r"(time fit was run\D*)[\d-]{10} [\d:]{8} UTC"), r"\1–"),  # lifelines
)
STYLE = re.compile(r"\bT_[0-9a-f]{5}(?![0-9a-f])")  # the table's name in pandas' styles


def clean(notebook: Any) -> Any:
    """The executed notebook without times, machine paths and random ids: same inputs, same bytes."""
    keep = {"kernelspec", "language_info", "loyalty"}
    notebook.metadata = type(notebook.metadata)({k: v for k, v in notebook.metadata.items() if k in keep})
    for place, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = type(cell.metadata)({"tags": tags} if tags else {})
        cell.id = f"cell-{place}"
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("text/latex", None)  # no page shows it, and it holds times
            for held, part in (
                (output, "text"),
                *((output.get("data", {}), f"text/{kind}") for kind in ("plain", "html")),
            ):
                if part in held:
                    held[part] = _settled(held[part])
    return notebook


def _settled(text: str) -> str:
    """Text without what wanders from run to run."""
    for pattern, instead in WANDERS:
        text = pattern.sub(instead, text)
    for number, name in enumerate(dict.fromkeys(STYLE.findall(text)), start=1):
        text = text.replace(name, f"T_{number}")
    return text


def entries_of(notebook: Any) -> Iterable[dict[str, Any]]:
    """The findings that an executed notebook recorded, in order."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield from output.get("data", {}).get(findings.MIME, {}).get("entries", [])
