"""Publishes a site in one step: readers see the old one or the new one, whole, and never anything between.

The published folder is a symbolic link to a build beside it; publishing replaces the link by a rename, when all of
the build is on the disk. A run that fails or is killed leaves the link, and so the last good report, as it was. The
builds before it are kept for a while: `.NAME.builds/000041/index.html` is an earlier report, whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.tables import LoyaltyError

KEPT = 5  # builds: the live one, and those that a reader may still have open or want to look up


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
def publishing(out: Path, *, kept: int = KEPT, wait: Callable[[str], None] | None = None) -> Iterator[Path]:
    """A copy of the last good site to write into; published when the block ends well, else thrown away.

    Args:
        out: where readers find the site.
        kept: how many builds stay, the live one among them.
        wait: told that another run is publishing there, whose end is then awaited; without it this run leaves.

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
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise
            wait(f"Another run is publishing into {out}; this one begins when it has ended.")
            lock.acquire()
    except Timeout:
        raise LoyaltyError(
            f"Another run is publishing into {out}. Wait for it to end (--wait does), or choose another --out."
        ) from None
    except OSError as error:
        raise LoyaltyError(f"Cannot write to {out.parent}: {error.strerror}. Nothing was run.") from None
    try:
        yield from _stage(out, builds, kept)
    except OSError as error:
        place = "" if error.filename is None else f" ({Path(error.filename).name})"
        raise LoyaltyError(
            f"Could not write the report{place}: {error.strerror}. The last good report in {out} is untouched."
        ) from error
    finally:
        lock.release()


def _stage(out: Path, builds: Path, kept: int) -> Iterator[Path]:
    live = out.resolve() if out.is_symlink() else None
    _sweep(builds, live)
    staging = builds / "staging"
    try:
        if live and live.exists():
            # Hard links: pages are replaced, never written into, so the live site is safe and nothing is copied.
            shutil.copytree(live, staging, copy_function=os.link)
        else:
            staging.mkdir()
        yield staging
        _publish(staging, out, builds)
        for old in _numbered(builds)[:-kept]:  # by another name first: what has a number is whole
            shutil.rmtree(old.rename(builds / "leaving"), ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(builds: Path, live: Path | None) -> None:
    """Takes away what runs that were killed have left: half a build, or a whole one that was never published."""
    (builds / "staging-link").unlink(missing_ok=True)
    unpublished = [b for b in _numbered(builds) if live and live.exists() and b.name > live.name]
    for leftover in [builds / "staging", builds / "leaving", *unpublished]:
        if leftover.exists():
            shutil.rmtree(leftover)


def _numbered(builds: Path) -> list[Path]:
    return sorted(build for build in builds.iterdir() if build.name.isdigit())


def _publish(staging: Path, out: Path, builds: Path) -> None:
    build = builds / f"{max([0, *(int(b.name) for b in _numbered(builds))]) + 1:06d}"
    for path in (*staging.rglob("*"), staging):
        _flush(path)
    staging.rename(build)
    _flush(builds)
    if out.is_dir() and not out.is_symlink():
        out.rmdir()
    link = builds / "staging-link"
    link.symlink_to(os.path.relpath(build, out.parent))
    link.replace(out)
    _flush(out.parent)


def _flush(path: Path) -> None:
    """Has a file, or the names in a folder, on the disk before anything is done that relies on them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, content: str | bytes) -> None:
    """Writes a file of a site being built as a new file: the old one may be linked into the live site."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
