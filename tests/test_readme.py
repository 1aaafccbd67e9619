"""What the README tells people to type works as written."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines() if line.strip()]
TOML = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]

ORDERS = "Customer,Date,Price,Qty,Invoice\n" + "".join(
    f"c{n % 40},{1 + n % 28:02d}/{1 + n % 12:02d}/2024,{1 + n % 7}.50,{1 + n % 3},i{n}\n" for n in range(400)
)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A folder as it is after cloning, with the newcomer's own orders and settings."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "data", folder / "data")
    shutil.copy(ROOT / "studies.toml", folder)
    (folder / "my.toml").write_text(TOML)
    (folder / "orders.csv").write_text(ORDERS)
    return folder


def test_the_readme_shows_commands():
    assert ["make", "report"] in COMMANDS
    assert ["make", "test"] in COMMANDS
    assert len([c for c in COMMANDS if c[0] == "loyalty"]) >= 7


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "loyalty"], ids=" ".join)
def test_a_loyalty_command_works_as_written(command, newcomer, monkeypatch):
    monkeypatch.chdir(newcomer)
    assert cli.main(command[1:]) == 0


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "make"], ids=" ".join)
def test_a_make_target_exists(command):
    assert subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_every_command_is_told_by_the_help():
    done = subprocess.run([sys.executable, "-m", "analysis.cli", "--help"], capture_output=True, text=True, check=True)
    assert [name for name in ("report", "run", "check", "claims", "findings") if name not in done.stdout] == []


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 4
    assert [link for link in links if not (ROOT / link).exists()] == []
