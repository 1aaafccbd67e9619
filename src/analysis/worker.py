"""Executes one notebook in a process of its own, and says what became of it.

Started by `runs` as `python -m analysis.worker`: the order comes as JSON on standard input, progress and the outcome
go back as JSON lines on standard output. papermill injects the parameters and executes; whether that went well is
judged here, because papermill calls every cell completed after a time-out or a dead kernel.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any, TextIO

from analysis import kernels

LOOK = 0.25  # seconds between two looks at the runner and at the memory
ADOPT = 36  # PR_SET_CHILD_SUBREAPER of Linux
LONGEST_SOCKET = 80  # characters: a socket's path may have 107, and the kernel's own names follow


@dataclass
class Run:
    """What is known of the run so far: the cell, the most memory seen, and whether that was too much.

    Attributes:
        voice: where the runner listens.
        manager: of the kernel, when there is one.
        channels: the folder of the kernel's sockets, open to its owner alone.
        limit: bytes of memory that the kernel and its children may use together; None for no limit.
    """

    voice: TextIO
    channels: str
    limit: int | None = None
    cell: int = 0
    peak: int = 0
    over: bool = False
    manager: Any = None

    def tell(self, **message: Any) -> None:
        """Sends a line to the runner."""
        print(json.dumps(message), file=self.voice, flush=True)

    def watch(self, parent: int) -> None:
        """Ends everything when the runner is gone, for nobody would read it, and the kernel when it takes too much."""
        while os.getppid() == parent:
            self.peak = max(self.peak, used := memory(self.limit))
            if self.limit and used > self.limit:
                self.over = True
                end_descendants(os.getpid())
            time.sleep(LOOK)
        end_descendants(os.getpid())
        shutil.rmtree(self.channels, ignore_errors=True)
        os._exit(1)


def memory(limit: int | None = None) -> int:
    """Bytes that all descendants of this process hold.

    Resident pages are added up, which counts what they share several times over; so a sum above the limit is taken
    again by proportional shares, which are exact and slow.
    """
    import psutil

    def total(counted: Any) -> int:
        held = 0
        for child in psutil.Process().children(recursive=True):
            try:
                held += counted(child)
            except psutil.Error:  # it ended meanwhile
                continue
        return held

    resident = total(lambda child: child.memory_info().rss)
    if limit is None or resident <= limit:
        return resident
    return total(lambda child: getattr(child.memory_full_info(), "pss", child.memory_info().rss))


def end_descendants(pid: int) -> None:
    """Ends all that a process started, and what that started meanwhile."""
    import psutil

    for _ in range(50):
        try:
            family = psutil.Process(pid).children(recursive=True)
            living = [child for child in family if child.status() != psutil.STATUS_ZOMBIE]
            for child in living:
                child.kill()
        except psutil.NoSuchProcess:
            continue
        if not living:
            return
        psutil.wait_procs(living, timeout=0.1)


def _engine(run: Run) -> type:
    """papermill's own engine, which tells how far it is and speaks with the kernel where nobody else can listen."""
    from jupyter_client.manager import AsyncKernelManager
    from papermill.engines import NBClientEngine

    class Private(AsyncKernelManager):
        """A kernel behind sockets in a folder of its owner, not behind ports that every user of the machine sees."""

        def __init__(self, **more: Any) -> None:
            private = {"transport": "ipc", "connection_file": f"{run.channels}/kernel.json"}
            super().__init__(**more, **(private if len(run.channels) <= LONGEST_SOCKET else {}))
            run.manager = self

    class Telling(NBClientEngine):
        """papermill's engine with a voice."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **kwargs: Any) -> Any:
            """Executes the notebook, telling each cell's start."""
            start, total = nb_man.cell_start, len(nb_man.nb.cells)

            def started(cell: Any, cell_index: int | None = None, **more: Any) -> None:
                run.cell = _number(nb_man.nb, cell_index or 0)
                run.tell(cell=run.cell, done=cell_index, cells=total, kernel=run.manager.provisioner.pid)
                start(cell, cell_index, **more)

            nb_man.cell_start = started
            ours = {"kernel_manager_class": Private, "shutdown_kernel": "immediate"}
            return super().execute_managed_notebook(nb_man, *args, **ours, **kwargs)

    return Telling


def execute(order: dict[str, Any], run: Run) -> dict[str, Any]:
    """Runs the notebook of an order; returns the outcome.

    Args:
        order: notebook, executed (paths), folder, parameters, cell_timeout (seconds).
        run: where it is told how far the run is.

    Returns:
        verdict (ok, failed, timed out, kernel died), and for all but ok: cell, error (type), message.
    """
    # This module of jsonschema's is never used here and takes a second to import.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill
    from papermill.engines import papermill_engines

    papermill_engines.register("telling", _engine(run))
    try:
        notebook = papermill.execute_notebook(
            order["notebook"],
            order["executed"],
            parameters=order["parameters"],
            engine_name="telling",
            kernel_name="python3",
            progress_bar=False,
            cwd=order["folder"],
            execution_timeout=order["cell_timeout"],
            extra_arguments=[
                "--IPKernelApp.log_level=ERROR",
                "--InlineBackend.rc=svg.hashsalt=loyalty",  # else ids of a figure's parts are random
                f"--IPKernelApp.exec_lines={kernels.LISTING}",
            ],
        )
    except papermill.PapermillExecutionError as error:
        return {"verdict": "failed", "cell": run.cell, "error": error.ename, "message": error.evalue}
    except Exception as error:
        kinds = {"CellTimeoutError": "timed out", "DeadKernelError": "kernel died"}
        kind = type(error).__name__
        return {
            "verdict": kinds.get(kind, "failed"),
            "cell": run.cell,
            "error": kind,
            "message": str(error).splitlines()[0] if str(error) else "",
        }
    return _trusted(notebook)


def _trusted(notebook: Any) -> dict[str, Any]:
    """ok only when every code cell ran and none shows an error, whatever papermill says."""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if errors or cell.execution_count is None:
            error = errors[0].ename if errors else "NotExecuted"
            said = errors[0].evalue if errors else ""
            return {"verdict": "failed", "cell": _number(notebook, place), "error": error, "message": said}
    return {"verdict": "ok"}


def _number(notebook: Any, place: int) -> int:
    """Which cell of the notebook as it was written this is, counted from 1; papermill has put one between them."""
    written = [c for c in notebook.cells[: place + 1] if "injected-parameters" not in c.metadata.get("tags", [])]
    return len(written)


def main() -> None:
    """Reads an order, which is one line, and serves it."""
    serve(json.loads(sys.stdin.readline()))


def serve(order: dict[str, Any]) -> None:
    """Executes the notebook of an order, prints the outcome as the last line."""
    voice = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a kernel prints past its notebook goes to the log, not among our lines
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ADOPT, 1)  # what a kernel leaves behind becomes ours, to be ended
    os.environ[kernels.OPENED] = order["opened"]
    with tempfile.TemporaryDirectory(prefix="loyalty-") as channels:
        run = Run(voice, channels, order.get("memory_limit"))
        threading.Thread(target=run.watch, args=(os.getppid(),), daemon=True).start()
        outcome = execute(order, run)
        end_descendants(os.getpid())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak, spent = max(run.peak, used.ru_maxrss * 1024), round(used.ru_utime + used.ru_stime, 1)
    run.tell(**outcome, peak_mib=round(peak / 2**20), cpu_seconds=spent, over=run.over)


if __name__ == "__main__":
    main()
