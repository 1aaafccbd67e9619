"""Runs notebooks on a Dask cluster that is there already: the same run function, mapped over its workers.

Workers find the studies file, its data and the notebooks under the same paths as here, as on a shared file system, and
have the same packages. What a run brings forth comes back to the process that asked, which keeps it at once under its
key and publishes as ever; a run whose worker dies is begun again on another one.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis import keys, runs
from analysis.formats import needed
from analysis.runs import CANCELLED, FAILED, Job, Runner
from analysis.tables import LoyaltyError

AHEAD = 2  # runs that are handed over for each thread of the cluster, so that none waits for the next


class ClusterRunner(Runner):
    """A runner whose notebooks are executed by the workers of a cluster.

    Args:
        address: of the scheduler, such as "tcp://10.0.0.5:8786".
        options: as `Runner` takes them; `workers` is found out.

    Raises:
        LoyaltyError: dask's distributed is not installed, nobody answers there, there is no worker, or a worker does
            not have what is here: packages, this project's code, the studies file.
    """

    def __init__(self, address: str, **options: Any) -> None:
        distributed = needed("distributed", "cluster", address)
        try:
            self.client = distributed.Client(address, timeout=20, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LoyaltyError(f"No Dask scheduler answers at {address} ({type(error).__name__}).") from None
        told = options["environment"]
        try:
            self._compare(address, told["LOYALTY_STUDIES"])
        except LoyaltyError:
            self.client.close()
            raise
        super().__init__(**options | {"workers": AHEAD * sum(self.client.nthreads().values())})
        self.given = {name: value for name, value in told.items() if name != "LOYALTY_FINDINGS"}
        self.futures: set[Any] = set()

    def _compare(self, address: str, studies: str) -> None:
        """Refuses workers that would answer something else than this process does."""
        there, here = self.client.run(what_is_here, studies), what_is_here(studies)
        if not there:
            raise LoyaltyError(f"The Dask cluster at {address} has no worker.")
        for worker, found in there.items():
            if differs := [name for name, digest in here.items() if found.get(name) != digest]:
                raise LoyaltyError(
                    f"The worker {worker} is not as this machine: {', '.join(differs)} differ. Workers need the same "
                    "packages and code, and must see the studies file under the same path."
                )

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def stop(self) -> None:
        """Takes back what has not begun; what a worker has begun ends there, unread."""
        self.client.cancel(list(self.futures), force=True)

    def execute(self, job: Job, executed: Path) -> dict[str, Any]:
        """The same on a worker: its files come back through the scheduler and are written here."""
        from distributed import CancelledError, KilledWorker

        read = self.folder / "findings.json"
        known = read.read_text("utf-8") if job.notebook.runs_last and read.exists() else "[]"
        future = self.client.submit(serve, job, self.given, known, pure=False, priority=job.notebook.cells)
        self.futures.add(future)
        try:
            answer, texts = future.result()
        except CancelledError:
            return {"verdict": CANCELLED}
        except KilledWorker:
            return {"verdict": FAILED, "error": "WorkerDied", "message": "worker after worker died with this run"}
        finally:
            self.futures.discard(future)
        for ending, text in texts.items():
            executed.with_suffix(ending).write_text(text, "utf-8")
        return dict(answer)


def what_is_here(studies: str) -> dict[str, str]:
    """Digests of what a run rests on beside its data: packages, this project's code, the studies file."""
    try:
        recipes = keys.Recipes(runs.KERNEL, also=[Path(studies)])
        shared = {name: keys.digest(recipes.shared[name]) for name in ("our source", "versions")}
        return shared | {"the studies file": recipes.watch.file(studies) or ""}
    except OSError as error:
        return {"the files": str(error)}


@functools.lru_cache(maxsize=1)
def _runner(given: str) -> Runner:
    """This worker's runner for one report; what it holds goes when nobody runs with it and another report has come."""
    folder = Path(tempfile.mkdtemp(prefix="loyalty-"))
    environment = {**json.loads(given), "LOYALTY_FINDINGS": str(folder / "findings.json")}
    runner = Runner(workers=1, folder=folder, environment=environment, told=lambda *_: None)
    runner.nurseries.expect(AHEAD, 1)
    weakref.finalize(runner, runner.nurseries.close)
    weakref.finalize(runner, shutil.rmtree, folder, ignore_errors=True)
    return runner


def serve(job: Job, given: Mapping[str, str], known: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Executes one notebook on a worker.

    Args:
        job: the run.
        given: variables that its kernel gets.
        known: the findings that it may read, as JSON.

    Returns:
        What became of it, and the files that came out, ending -> text.
    """
    runner = _runner(json.dumps(given, sort_keys=True))
    with tempfile.TemporaryDirectory(prefix="loyalty-") as folder:
        (runner.folder / "findings.json").write_text(known, "utf-8")
        executed = Path(folder) / f"{job.slug}.ipynb"
        answer = runner.execute(job, executed)
        files = {ending: executed.with_suffix(ending) for ending in (".ipynb", ".opened")}
        return answer, {ending: file.read_text("utf-8") for ending, file in files.items() if file.exists()}
