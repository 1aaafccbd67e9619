"""What the pages for users tell them to type works as written, in the order in which it is told."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from analysis import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENDLESS = "schedule"  # alone it goes on until it is stopped; test_schedule lets it run
# These say with their code how things stand, and a clone that never made a report stands badly.
MAY_SAY = {"status": (0, 3)}

ORDERS = "Customer,Date,Price,Qty,Invoice\n" + "".join(
    f"c{n % 40},{13 + n % 15:02d}/{1 + n % 12:02d}/2024,{1 + n % 7}.50,{1 + n % 3},i{n}\n" for n in range(400)
)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def lines(page):
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]


def commands(page):
    """The `loyalty` commands of a page, also those inside of a pipe or before a file they are written to."""
    found = (re.search(r"\bloyalty (?!-u)([^|;)>#&]+)", line) for line in lines(page) if "systemctl" not in line)
    return [shlex.split(match[1]) for match in found if match and match[1].strip()]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A folder as it is after cloning, with the newcomer's own orders and the schedules that a page shows.

    Of CDNOW's customers it holds every tenth, for a command works on few as on many; `make report` runs them all.
    """
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "data", folder / "data")
    heading, *orders = (ROOT / "data/raw/cdnow.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "data/raw/cdnow.csv").write_text(heading + "".join(o for o in orders if o.split(",")[0].endswith("0")))
    (folder / "data/raw/cdnow.toml").unlink()  # it describes the whole file
    shutil.copy(ROOT / "studies.toml", folder)
    with (folder / "studies.toml").open("a") as file:
        file.write("\n".join(blocks(ROOT / "docs/schedule.md", "toml")))
    (folder / "orders.csv").write_text(ORDERS)
    return folder


def test_there_are_pages_with_commands():
    assert len(PAGES) >= 5
    assert {"make report", "make test", "make lab"} <= {line.split("#")[0].strip() for line in lines(PAGES[0])}
    assert sum(len(commands(page)) for page in PAGES) >= 20
    assert all(commands(page) for page in PAGES)


def test_every_loyalty_command_works_in_the_order_in_which_it_is_told(newcomer, monkeypatch):
    monkeypatch.chdir(newcomer)
    monkeypatch.setenv("CHAT_HOOK", "http://127.0.0.1:9/")
    monkeypatch.setenv("MAIL_PASSWORD", "a-word-of-ours")
    # What several pages tell is typed once; forgetting comes last, or there were nothing to schedule and to share.
    told = dict.fromkeys(shlex.join(words) for page in PAGES for words in commands(page) if words != [ENDLESS])
    order = sorted(told, key=lambda line: line.startswith("forget"))
    codes = {line: cli.main(shlex.split(line)) for line in order}
    assert {line: code for line, code in codes.items() if code not in MAY_SAY.get(line.split()[0], (0,))} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_other_command_is_a_make_target_or_told_to_a_system(page):
    for line in lines(page):
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, check=False).returncode == 0
        else:
            assert words[0] in ("loyalty", "psql", "(crontab", "systemctl", "loginctl", "journalctl"), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_piece_of_a_studies_file_can_be_read(page):
    assert [tomllib.loads(block) == {} for block in blocks(page, "toml")].count(True) == 0


def test_every_command_is_told_by_the_help_and_by_the_reference():
    done = subprocess.run([sys.executable, "-m", "analysis.cli", "--help"], capture_output=True, text=True, check=True)
    names = set(re.findall(r"^    (\w+) ", done.stdout, re.MULTILINE))
    assert len(names) >= 10
    assert names == {words[0] for words in commands(ROOT / "docs/reference.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert links or page.stem in ("schedule", "sharing")


def test_every_notebook_stands_in_the_reference():
    told = (ROOT / "docs/reference.md").read_text("utf-8")
    names = [path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")]
    assert len(names) > 10
    assert [name for name in names if f"| `{name}` |" not in told] == []
