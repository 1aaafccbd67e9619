"""Publishes a site in one step: readers see the old one or the new one, whole, and never anything between.

The published folder is a symbolic link to a build beside it; publishing replaces the link by a rename. A run that
fails or is killed leaves the link, and so the last good report, as it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.tables import LoyaltyError

KEPT_BUILDS = 2  # the live one, and the one that a reader may still have open


def _builds(out: Path) -> Path:
    return out.parent / f".{out.name}.builds"


def _check_place(out: Path) -> None:
    """Refuses a folder that holds something else: publishing would replace it."""
    if out.is_symlink() and out.resolve().parent == _builds(out).resolve():
        return
    if out.is_symlink() or out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise LoyaltyError(
            f"{out} exists and is not a report of this project. Choose an empty or new folder with --out."
        )


@contextmanager
def publishing(out: Path) -> Iterator[Path]:
    """A copy of the last good site to write into; published when the block ends well, else thrown away.

    Args:
        out: where readers find the site.

    Raises:
        LoyaltyError: another run is publishing there, something else lies there, or the disk is full.
    """
    from filelock import FileLock, Timeout

    out = out.absolute()
    _check_place(out)
    builds = _builds(out)
    lock = FileLock(builds / ".lock")
    try:
        builds.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise LoyaltyError(
            f"Another run is publishing into {out}. Wait for it to end, or choose another --out."
        ) from None
    except OSError as error:
        raise LoyaltyError(f"Cannot write to {out.parent}: {error.strerror}. Nothing was run.") from None
    try:
        yield from _stage(out, builds)
    except OSError as error:
        place = "" if error.filename is None else f" ({Path(error.filename).name})"
        raise LoyaltyError(
            f"Could not write the report{place}: {error.strerror}. The last good report in {out} is untouched."
        ) from error
    finally:
        lock.release()


def _stage(out: Path, builds: Path) -> Iterator[Path]:
    live = out.resolve() if out.is_symlink() else None
    for leftover in builds.iterdir():  # of runs that were killed
        if leftover.is_symlink():
            leftover.unlink()
        elif leftover.name == "staging":
            shutil.rmtree(leftover)
    staging = builds / "staging"
    try:
        if live and live.exists():
            # Hard links: pages are replaced, never written into, so the live site is safe and nothing is copied.
            shutil.copytree(live, staging, copy_function=os.link)
        else:
            staging.mkdir()
        yield staging
        _publish(staging, out, builds)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, out: Path, builds: Path) -> None:
    numbers = [int(b.name) for b in builds.iterdir() if b.name.isdigit()]
    build = builds / f"{max(numbers, default=0) + 1:06d}"
    for path in staging.rglob("*"):
        if path.is_file():
            with path.open("rb") as written:
                os.fsync(written.fileno())
    staging.rename(build)
    if out.is_dir() and not out.is_symlink():
        out.rmdir()
    link = builds / "staging-link"
    link.symlink_to(os.path.relpath(build, out.parent))
    link.replace(out)
    for old in sorted(b for b in builds.iterdir() if b.name.isdigit())[:-KEPT_BUILDS]:
        shutil.rmtree(old)


def write(path: Path, content: str | bytes) -> None:
    """Writes a file of a site being built as a new file: the old one may be linked into the live site."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
