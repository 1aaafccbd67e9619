"""Kernels: what one lists of the files it reads, and warm ones, which begin with every library already imported.

Imports cost a report three times what its statistics cost. On Linux a nursery imports the libraries once, never this
project's own code, and starts each run by forking: a worker, and beside it the kernel that the worker will command.
A kernel so started is in the state of a fresh one; where that cannot be, the run begins in the old way.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

OPENED = "LOYALTY_OPENED"  # names the file in which a kernel lists what it reads
FRESH = "LOYALTY_FRESH_KERNELS"  # set to anything, every kernel is started anew
READ = "loyalty.read"  # the audit event of a file that an engine reads, past Python's own open
LISTING = "__import__('analysis.kernels').kernels.list_reads()"  # run in a kernel before its first cell
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux
# Arrow's allocator starts a thread otherwise, on import.
THREADLESS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}

# What workers and notebooks import; nothing that starts a thread, and no matplotlib_inline, whose hooks need a kernel.
PRELOADED = (
    "papermill", "nbclient", "nbformat", "jupyter_client", "jupyter_client.provisioning.local_provisioner", "psutil",
    "IPython", "ipykernel.kernelapp", "ipykernel.ipkernel", "numpy", "pandas", "pydantic", "jinja2", "scipy.stats",
    "scipy.optimize", "scipy.special", "duckdb", "ibis.backends.duckdb", "matplotlib.figure", "seaborn", "lifelines",
    "statsmodels.api", "pydantic.main", "pydantic.type_adapter", "matplotlib.backends.backend_agg",
)  # fmt: skip


def list_reads() -> None:
    """Lists from now on every file that this process reads in the file that OPENED names, a path a line."""
    place = os.environ.get(OPENED)
    if not place:
        return
    libraries = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix, "/proc", "/sys", "/dev"})
    listing, seen = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), set()

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", READ) or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if event == "open" and arguments[2] & os.O_ACCMODE == os.O_WRONLY:
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path not in seen and not path.startswith(libraries):
            seen.add(path)
            os.write(listing, f"{path}\n".encode("utf-8", "surrogateescape"))

    sys.addaudithook(heard)


# --- the runner's side --------------------------------------------------------------------------------------------


class Nurseries:
    """Processes that fork workers, one for each notebook at work; started when first needed.

    Attributes:
        warm: whether they can be used, and more than one run is waiting for each, without which they cost more.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.idle: list[subprocess.Popen[str]] = []
        self.warm = False

    def expect(self, jobs: int, workers: int) -> None:
        """Says how much there is to do."""
        possible = sys.platform == "linux" and hasattr(os, "pidfd_open") and not os.environ.get(FRESH)
        self.warm = possible and (bool(self.idle) or jobs > workers)

    def take(self) -> subprocess.Popen[str]:
        """A nursery that nobody uses."""
        with contextlib.suppress(IndexError):
            return self.idle.pop()
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "analysis.kernels"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**self.environment, **THREADLESS},
            start_new_session=True,
        )

    def give_back(self, process: subprocess.Popen[str], answer: Mapping[str, Any]) -> None:
        """Keeps a nursery for the next run when its last one ended in order."""
        if "ended" in answer and process.poll() is None:
            self.idle.append(process)
        else:
            self.warm = self.warm and "cold" not in answer
            _end(process)

    def close(self) -> None:
        """Ends the nurseries that wait."""
        while self.idle:
            _end(self.idle.pop())


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with process:
        pass


# --- the nursery --------------------------------------------------------------------------------------------------


def main() -> None:
    """Imports the libraries, then forks a worker for each order that comes as a line, until no more can come."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # as in `worker`
    try:
        for name in PRELOADED:
            importlib.import_module(name)
    except Exception as error:
        return _tell(cold=f"{name}: {error}")
    if len(os.listdir("/proc/self/task")) > 1:
        return _tell(cold="a library has started a thread, which a fork would lose")
    gc.collect()
    gc.freeze()  # so that no collection copies pages that the children share
    for line in sys.stdin:
        worker = os.fork()
        if worker == 0:
            _end_with(_work, json.loads(line))
        if not _awaited(worker):
            return
        _tell(ended=os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))


def _tell(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _awaited(worker: int) -> bool:
    """Waits for a worker; when the runner is gone, ends it and says so."""
    looks = select.poll()
    looks.register(ended := os.pidfd_open(worker), select.POLLIN)
    looks.register(0, 0)  # a hang-up is always told
    gone = not any(source == ended for source, _ in looks.poll())
    if gone:
        os.kill(worker, signal.SIGKILL)
    os.close(ended)
    return not gone


def _end_with(do: Any, *given: Any) -> None:
    """Does one thing in a forked process and never returns into the code of its parent."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        do(*given)
        code = 0
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work(order: dict[str, Any]) -> None:
    """The life of a forked worker: a kernel is forked beside it first, while nothing else runs in the process."""
    for place, flags, standard in ((os.devnull, os.O_RDONLY, 0), (order["log"], os.O_WRONLY | os.O_APPEND, 2)):
        os.dup2(os.open(place, flags), standard)
    ours, theirs = os.pipe()
    kernel = os.fork()
    if kernel == 0:
        os.close(theirs)
        _end_with(_wait_as_kernel, ours)
    os.close(ours)
    os.setpgid(kernel, kernel)
    _forget_ourselves()
    _offer(kernel, theirs)
    worker = importlib.import_module("analysis.worker")
    worker.serve(order)


def _forget_ourselves() -> None:
    """This project's own code is imported anew in every run, as it is then."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "analysis"]:
        del sys.modules[name]


def _wait_as_kernel(orders: int) -> None:
    """The life of a forked kernel: it waits for its command, then becomes what a fresh kernel would be."""
    os.dup2(2, 1)
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    with os.fdopen(orders) as pipe:
        told = json.loads(pipe.read() or "null")
    if told is None:
        return  # the worker needed no kernel
    import matplotlib as mpl
    import numpy as np
    import pandas as pd
    from ipykernel.kernelapp import IPKernelApp

    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    sys.argv = [str(importlib.util.find_spec("ipykernel_launcher").origin), *told["command"][3:]]  # type: ignore[union-attr]
    _forget_ourselves()
    np.random.seed()  # all forks would draw the same otherwise
    pd.set_option("display.max_columns", 20)  # pandas took this process for a terminal
    mpl.rcParams["backend"] = os.environ.get("MPLBACKEND") or "module://matplotlib_inline.backend_inline"
    IPKernelApp.launch_instance(argv=told["command"][3:])


def _offer(kernel: int, orders: int) -> None:
    """Lets jupyter_client take the forked kernel where it would launch a local one."""
    from jupyter_client.provisioning import KernelProvisionerFactory
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    class Forked(LocalProvisioner):
        """Launches a kernel by telling the one that waits what it is to be; any further one is launched afresh."""

        waiting = True

        async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
            """Takes the command and the environment that a fresh kernel would be started with."""
            if not Forked.waiting:
                return await super().launch_kernel(cmd, **kwargs)
            Forked.waiting = False
            environment = dict(kwargs["env"]) | {"JPY_PARENT_PID": str(os.getpid())}
            with os.fdopen(orders, "w") as pipe:
                folder = kwargs.get("cwd") or os.getcwd()
                json.dump({"command": cmd, "environment": environment, "folder": folder}, pipe)
            self.process = _Child(kernel)
            self.pid = self.pgid = kernel
            return self.connection_info

    factory = KernelProvisionerFactory.instance()
    factory.provisioners["forked"] = cast(Any, SimpleNamespace(load=lambda: Forked))
    factory.default_provisioner_name = "forked"


class _Child(subprocess.Popen[bytes]):
    """A forked process with the manners of one that was started."""

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode, self.args = pid, None, "kernel"
        self.stdin = self.stdout = self.stderr = None
        self._child_created, self._communication_started = True, False
        self._waitpid_lock = threading.Lock()


if __name__ == "__main__":
    main()
