"""Executes one notebook in a process of its own, and says what became of it.

Started by `runs` as `python -m analysis.worker`: the order comes as JSON on standard input, progress and the outcome
go back as JSON lines on standard output. papermill injects the parameters and executes; whether that went well is
judged here, because papermill calls every cell completed after a time-out or a dead kernel.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from typing import Any

PARENT_CHECK = 1.0  # seconds between two looks whether the runner still lives


def _tell(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _follow_parent(parent: int) -> None:
    """Ends this process and its kernel when the runner is gone: nobody would read what they make."""
    import psutil

    while os.getppid() == parent:
        time.sleep(PARENT_CHECK)
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def _engine() -> tuple[type, dict[str, int]]:
    """papermill's own engine, which also tells after each cell how far it is."""
    from papermill.engines import NBClientEngine

    place = {"cell": 0}

    class Telling(NBClientEngine):
        """papermill's engine with a voice."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **kwargs: Any) -> Any:
            """Executes the notebook, telling each cell's start."""
            start, total = nb_man.cell_start, len(nb_man.nb.cells)

            def started(cell: Any, cell_index: int | None = None, **more: Any) -> None:
                place["cell"] = cell_index or 0
                _tell(cell=cell_index, cells=total)
                start(cell, cell_index, **more)

            nb_man.cell_start = started
            return super().execute_managed_notebook(nb_man, *args, **kwargs)

    return Telling, place


def execute(order: dict[str, Any]) -> dict[str, Any]:
    """Runs the notebook of an order; returns the outcome.

    Args:
        order: notebook, executed (paths), folder, parameters, cell_timeout (seconds).

    Returns:
        verdict (ok, failed, timed out, kernel died), and for all but ok: cell, error (type), message.
    """
    # This module of jsonschema's is never used here and takes a second to import.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill
    from papermill.engines import papermill_engines

    engine, place = _engine()
    papermill_engines.register("telling", engine)
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
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except papermill.PapermillExecutionError as error:
        return {"verdict": "failed", "cell": error.cell_index, "error": error.ename, "message": error.evalue}
    except Exception as error:
        kinds = {"CellTimeoutError": "timed out", "DeadKernelError": "kernel died"}
        kind = type(error).__name__
        return {
            "verdict": kinds.get(kind, "failed"),
            "cell": place["cell"],
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
            return {"verdict": "failed", "cell": place, "error": error, "message": errors[0].evalue if errors else ""}
    return {"verdict": "ok"}


def main() -> None:
    """Reads an order, executes it, prints the outcome as the last line."""
    threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()
    outcome = execute(json.loads(sys.stdin.read()))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    _tell(**outcome, peak_mib=round(peak))


if __name__ == "__main__":
    main()
