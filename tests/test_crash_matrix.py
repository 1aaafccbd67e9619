"""Whatever goes wrong in running, publishing and parameters ends as promised; every case has its name.

Real kernels, started side by side: each notebook ends in another bad way. What is refused is refused before a kernel
starts. What data could do to a page is tried in test_browser, a crash of the schedule's ledger in test_ledger.
"""

import datetime
import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest
from books import make_book, write_book

from analysis import cli, notebooks, provenance, runs, settings
from analysis.publishing import publishing, write
from analysis.runs import Job, Runner, clean
from analysis.tables import SettingsError

MANY = """study: str = "tiny"  # a study
n: int = 1  # a whole number
share: float = 0.5  # a number
name: str = "a"  # a text
flag: bool = True  # yes or no
cuts: list[float] = [
    0.5,
    0.9,
]  # numbers, over several lines
until: "date" = "2025-12-31"  # a day
rate: float | None = None  # may be left out"""

# --- how a notebook can end -----------------------------------------------------------------------------------------

HELD = "import os; open('held', 'a').write(f'{os.getpid()}\\n')\n"  # whose process must be gone afterwards
EAT = "held = []\nwhile True: held.append(bytearray(b'x') * 20_000_000)"
CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {EAT!r}])"
STAYS = """import subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
open('held', 'a').write(f'{child.pid}\\n')"""
ODD = "زبان‌ها \U0001f642 \"double\" 'single' {braces} \\ $5\nline\ttab\0nul \u202eright to left"

# name of the row: its cell, the verdict, what the message says, limits
ENDINGS = {
    "a cell raises": ("raise ValueError('Ann owes 5')", "failed", "ValueError in cell 3.", {}),
    "a cell hangs": ("while True: pass", "timed out", "Stopped in cell 3: it ran longer than the limit (4 sec", {}),
    "a hanging cell ignores interrupts": (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)",
        "timed out", "Stopped in cell 3", {},
    ),
    "the whole report takes too long": (
        "import time\ntime.sleep(600)", "timed out", "in cell 3: it ran longer than the limit (6 seconds in all",
        {"cell_timeout": 300, "report_timeout": 6},
    ),
    "the kernel leaves": ("os._exit(1)", "kernel died", "The kernel died in cell 3", {}),
    "the kernel is killed": ("os.kill(os.getpid(), 9)", "kernel died", "The kernel died in cell 3", {}),
    "the kernel crashes": ("import ctypes\nctypes.string_at(0)", "kernel died", "The kernel died in cell 3", {}),
    "memory runs out": (EAT, "kernel died", "more than the limit of 400 MiB. Raise memory_limit", {"cell_timeout": 60}),
    "a child's memory runs out": (CHILD, "kernel died", "more than the limit of 400 MiB", {"cell_timeout": 60}),
    "a cell exits quietly": ("import sys\nsys.exit(0)", "failed", "SystemExit in cell 3", {}),
    "the worker is killed": ("os.kill(os.getppid(), 9)", "failed", "", {}),
    "a child would outlive the kernel": (STAYS, "ok", "", {}),
    "the kernel prints past its notebook": ("os.write(1, b'not JSON')\nos.system('echo loud')", "ok", "", {}),
    "odd text is a parameter": ("print(ascii(name))", "ok", "", {"name": ODD}),
    "channels": (
        "from ipykernel import get_connection_file\nprint(get_connection_file())\n"
        "print(open(get_connection_file()).read())\nprint(os.stat(os.path.dirname(get_connection_file())).st_mode)",
        "ok", "", {},
    ),
}  # fmt: skip


def book_of(name):
    return name.replace(" ", "_").replace("'", "")


@pytest.fixture(scope="module")
def endings(tmp_path_factory):
    """All endings at once."""
    jobs = {}
    for name, (cell, _, _, more) in ENDINGS.items():
        folder = tmp_path_factory.mktemp(book_of(name))
        limits = {"cell_timeout": 4, "memory_limit": 400 * 2**20} | more
        given = {"study": "tiny", "name": limits.pop("name", "a")}
        jobs[name] = Job("tiny", make_book(folder, book_of(name), HELD + cell, parameters=MANY), given, **limits)
    executed = tmp_path_factory.mktemp("executed")
    with Runner(workers=3, folder=executed, environment={}, told=lambda *_: None) as runner:
        return dict(zip(jobs, runner.run(list(jobs.values())), strict=True))


@pytest.mark.parametrize("row", ENDINGS)
def test_every_ending_has_its_verdict_and_leaves_no_process(endings, row):
    _, verdict, says, _ = ENDINGS[row]
    outcome = endings[row]
    assert outcome.verdict == verdict, outcome.detail
    assert says in outcome.message
    held = (outcome.job.notebook.path.parent / "held").read_text().split()
    assert held, "the cell did run"
    assert [pid for pid in map(int, held) if psutil.pid_exists(pid)] == []


@pytest.mark.parametrize("row", ["the kernel leaves", "the kernel is killed", "memory runs out"])
def test_a_dead_kernel_is_told_with_the_memory_it_held(endings, row):
    assert endings[row].peak_mib > 20
    assert f"{endings[row].peak_mib:,} MiB of memory" in endings[row].message


def test_without_any_limit_given_there_are_limits():
    defaults = settings.ReportSettings()
    assert (defaults.cell_timeout, defaults.report_timeout, defaults.memory_limit) == ("5m", "20m", "4GB")


def printed(outcome):
    return nbformat.read(outcome.executed, as_version=4).cells[-1].outputs[0].text


def test_odd_text_arrives_as_it_was_given(endings):
    assert printed(endings["odd text is a parameter"]) == ascii(ODD) + "\n"


def test_odd_text_is_shown_escaped_in_a_command_that_gives_it_again(endings):
    """NUL, which no command line can hold, is left out here."""
    job = replace(endings["odd text is a parameter"].job, parameters={"name": ODD.replace("\0", "")})
    command = provenance._command(job, Path("studies.toml"))
    assert command.isprintable()
    spoken = ["env", "LC_ALL=C.UTF-8", "bash", "-c", command.replace("loyalty", "printf %s", 1)]
    said = subprocess.run(spoken, capture_output=True, text=True, check=True).stdout
    assert said.endswith("-pname=" + ODD.replace("\0", ""))


def test_nobody_else_can_listen_to_a_kernel(endings):
    file, *told, mode = printed(endings["channels"]).splitlines()
    assert json.loads("".join(told))["transport"] == "ipc"
    assert int(mode) & 0o777 == 0o700
    assert not Path(file).exists(), "the channels go with the kernel"


def test_each_run_works_in_its_notebooks_folder_and_moves_no_other(tmp_path):
    """papermill changes the folder of the whole process, so two threads would work in one another's."""
    here, jobs = Path.cwd(), []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        look = "import os, time\nbefore = os.getcwd()\ntime.sleep(1)\nprint(before, os.getcwd())"
        jobs.append(Job("tiny", make_book(tmp_path / name, name, look), {"study": "tiny"}))
    with Runner(workers=2, folder=tmp_path / "x", environment={}, told=lambda *_: None) as runner:
        for job, outcome in zip(jobs, runner.run(jobs), strict=True):
            assert printed(outcome).split() == [str(job.notebook.path.parent)] * 2
    assert Path.cwd() == here


# --- parameters: refused before a kernel starts ---------------------------------------------------------------------

ORDERS = "id,day,total\nann,2024-01-01,5\nbob,2024-02-01,7\n"
STUDIES = """[report]
min_cell = 1
cell_timeout = "4s"
[study.tiny]
title = "A tiny shop"
[study.tiny.tables.orders]
source = "tiny.csv"
columns = { customer_id = "id", ordered_at = "day", amount = "total" }
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with one study and one notebook with many parameters, where `loyalty` is called."""
    (tmp_path / "books").mkdir()
    write_book(tmp_path / "books", "20_many", "print(n)", parameters=MANY, needs=["orders"])
    (tmp_path / "tiny.csv").write_text(ORDERS)
    (tmp_path / "studies.toml").write_text(STUDIES)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "books")
    notebooks._read_all.cache_clear()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    notebooks._read_all.cache_clear()


@pytest.fixture
def no_kernel(monkeypatch):
    """Fails when anything would be executed."""

    def executed(*_):
        raise AssertionError("a kernel would have started")

    monkeypatch.setattr(Runner, "run", executed)


GIVEN = {
    "unknown": (["zzz=1"], "20_many has no parameter 'zzz'"),
    "misspelt": (["flg=true"], "The nearest is flag"),
    "code in a name": (["x;open('broken','w')#=1"], "has no parameter \"x;open('broken','w')#\""),
    "a name that is a keyword": (["class=1"], "has no parameter 'class'"),
    "a name that is no identifier": (["2n=1"], "has no parameter '2n'"),
    "the study itself": (["study=other"], "has no parameter 'study'"),
    "text for a whole number": (["n=abc"], "n must be a whole number, not 'abc'"),
    "a decimal for a whole number": (["n=2.5"], "n must be a whole number, not 2.5"),
    "a padded whole number": (["n=007"], "n must be a whole number, not '007'"),
    "true for a whole number": (["n=true"], "n must be a whole number, not True"),
    "a word for yes or no": (["flag=maybe"], "flag must be true or false, not 'maybe'"),
    "a number for yes or no": (["flag=0"], "flag must be true or false, not 0"),
    "one number for a list": (["cuts=0.5"], "cuts must be list of float, not 0.5"),
    "not a number": (["share=NaN"], "share must be a number, finite, not nan"),
    "infinity": (["share=Infinity"], "share must be a number, finite, not inf"),
    "a number too large": (["share=1e999"], "share must be a number, finite, not inf"),
    "not a number in a list": (["cuts=[0.5, NaN]"], "cuts must be list of float, finite"),
    "not a number where none may stand": (["rate=NaN"], "rate must be a number or none, finite"),
    "a lone surrogate": (["name=a\udc80"], "name must be text, not 'a\\udc80'"),
    "a name with a bidi control": (["fl\u202eag=1"], "no parameter 'fl\\u202eag'"),
    "a number with a NUL": (["n=1\0"], "n must be a whole number, not '1\\x00'"),
    "a date as people write it": (["until=31/12/2025"], "until must be a date such as 2025-12-31, not '31/12/2025'"),
    "a day that is none": (["until=2025-02-30"], "until must be a date such as 2025-12-31"),
    "given twice": (["n=1", "n=2"], "'n' is given 2 times"),
    "no value": (["n"], "name=value, not 'n'"),
}  # fmt: skip


@pytest.mark.parametrize("row", GIVEN)
def test_a_wrong_parameter_is_refused_on_the_command_line(place, no_kernel, capsys, row):
    given, says = GIVEN[row]
    options = [word for text in given for word in ("-p", text)]
    assert cli.main(["run", "20_many", "--study", "tiny", *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert all(c.isprintable() or c == "\n" for c in error), "controls are shown escaped"
    assert sorted(p.name for p in place.iterdir()) == ["books", "studies.toml", "tiny.csv"]


def test_all_wrong_parameters_are_told_at_once(place, no_kernel, capsys):
    assert (
        cli.main(["run", "20_many", "--study", "tiny", "-p", "n=x", "-p", "flg=1", "-p", "share=NaN", "-p", "y"]) == 2
    )
    error = capsys.readouterr().err
    assert all(says in error for says in ("n must be", "The nearest is flag", "share must be", "name=value"))
    (place / "studies.toml").write_text(STUDIES + '[study.tiny.parameters]\nn = "x"\nshare = true\n')
    assert cli.main(["report"]) == 1
    error = capsys.readouterr().err
    assert "n must be a whole number, not 'x'" in error
    assert "share must be a number, not True" in error


@pytest.mark.parametrize(
    ("text", "value"),
    [("name=007", "007"), ("name=false", "false"), ("flag=false", False), ("flag=FALSE", False), ("share=3", 3.0),
     ("rate=none", None), ("rate=0.1", 0.1), ("cuts=[1, 2]", [1.0, 2.0]), ("until=2024-02-29", "2024-02-29"),
     ("name=", ""), ("name=x=y", "x=y")],
)  # fmt: skip
def test_what_is_right_is_read_by_its_declared_type(place, text, value):
    name, _, given = text.partition("=")
    (read,) = notebooks.catalogue()["20_many"].values({name: given}, where="-p", written=True).values()
    assert (read, type(read)) == (value, type(value))


OBJECTS = {
    "a tuple": ("cuts", (0.5,)),
    "a set": ("cuts", {0.5}),
    "bytes": ("name", b"text"),
    "a date for text": ("name", datetime.date(2025, 12, 31)),
    "a time for a date": ("until", datetime.datetime(2025, 12, 31, 8)),
    "a function": ("name", print),
}


@pytest.mark.parametrize("row", OBJECTS)
def test_an_object_that_is_no_literal_of_the_type_is_refused(make_study, tmp_path, row):
    study = make_study(ORDERS, 'columns = { customer_id = "id", ordered_at = "day", amount = "total" }')
    book = make_book(tmp_path, "many", parameters=MANY)
    name, value = OBJECTS[row]
    with pytest.raises(SettingsError, match=f"{name} must be"):
        runs.job(study, book, parameters={name: value})


def test_a_date_of_the_studies_file_becomes_text_in_iso_form(place):
    (place / "studies.toml").write_text(STUDIES + "[study.tiny.parameters]\nuntil = 2024-02-29\n")
    (job,) = runs.plan(cli._settings(place / "studies.toml")["tiny"])
    assert job.parameters["until"] == "2024-02-29"


CELLS = {
    "computed from another": ('start: str = "2025"\nout: str = f"r-{start}"', "not a literal"),
    "called": ("n: int = len('abc')", "not a literal"),
    "a sum": ("n: int = m + 1", "not a literal"),
    "without a type": ("n = 3", "may only hold lines like"),
    "an import": ("import os", "may only hold lines like"),
    "a tuple": ("n: tuple = (1, 2)", "declared as 'tuple'"),
    "a set": ("n: set = {1}", "declared as 'set'"),
    "bytes": ("n: bytes = b'1'", "declared as 'bytes'"),
    "a list that is a tuple": ("n: list[int] = (1, 2)", "n must be list of int"),
    "code in a type": ("n: [].append(1) = 3", "declared as"),
    "another type than declared": ("n: int = 'three'", "n must be a whole number"),
    "infinite": ("n: float = 1e999", "n must be a number, finite"),
    "a day that is none": ("n: 'date' = '2025-02-30'", "n must be a date"),
    "twice": ("n: int = 1\nn: int = 2", "stands twice"),
    "a secret": ("api_key: str = ''", "named like a secret"),
    "a name that is a keyword": ("class: int = 1", "cannot be read"),
    "not Python": ("n: int = = 1", "cannot be read"),
}


@pytest.mark.parametrize("row", CELLS)
def test_a_parameters_cell_holds_typed_literals_only(tmp_path, row):
    source, says = CELLS[row]
    with pytest.raises(SettingsError, match=says) as refused:
        make_book(tmp_path, "20_bad", parameters=source)
    assert "20_bad.ipynb" in str(refused.value)


@pytest.mark.parametrize(
    ("row", "says"),
    [("no parameters cell", "one cell must be tagged parameters, 0 are"), ("not JSON", "not a notebook")],
)
def test_a_notebook_that_cannot_be_run_is_refused(place, no_kernel, capsys, row, says):
    path = place / "books/20_many.ipynb"
    path.write_text(path.read_text().replace('["parameters"]', "[]") if row == "no parameters cell" else "{")
    notebooks._read_all.cache_clear()
    assert cli.main(["report"]) == 1
    assert says in capsys.readouterr().err


def test_a_default_over_several_lines_is_read_whole(tmp_path):
    assert make_book(tmp_path, "many", parameters=MANY).parameters["cuts"].default == [0.5, 0.9]


@pytest.mark.parametrize("name", ["html.py", "json/__init__.py", "pandas.py"])
def test_a_module_that_hides_an_installed_one_is_refused(place, no_kernel, capsys, name):
    (place / "books" / name).parent.mkdir(exist_ok=True)
    (place / "books" / name).write_text("")
    assert cli.main(["report"]) == 1
    assert "hides a module of the same name" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["our_own.py", "data.csv"])
def test_other_files_may_lie_beside_the_notebooks(place, name):
    (place / "books" / name).write_text("")
    assert list(notebooks.catalogue()) == ["20_many"]


@pytest.mark.parametrize("line", ['name = "x"\napi_token = "s3cret"', 'password = "s3cret"'])
def test_a_secret_is_never_a_parameter(place, no_kernel, capsys, line):
    (place / "studies.toml").write_text(STUDIES + f"[study.tiny.parameters]\n{line}\n")
    assert cli.main(["report"]) == 1
    error = capsys.readouterr().err
    assert "a secret is no parameter" in error
    assert "s3cret" not in error


def test_a_missing_file_is_one_message_with_the_nearest_name(place, no_kernel, capsys):
    (place / "tiny.csv").rename(place / "tinny.csv")
    assert cli.main(["report"]) == 1
    error = capsys.readouterr().err
    assert 'There is no file "tiny.csv"' in error
    assert "tinny.csv" in error
    assert "Traceback" not in error
    assert str(place) not in error


# --- publishing -----------------------------------------------------------------------------------------------------

BAD = {
    "20_raises": ("raise ValueError('Ann owes 5')", "ValueError in cell 3"),
    "21_hangs": ("while True: pass", "Stopped in cell 3: it ran longer than the limit (4 seconds a cell)"),
    "22_dies": ("import os; os._exit(1)", "The kernel died in cell 3"),
}


@pytest.fixture
def broken(place):
    """A good report of three notebooks, then one in which each fails in its own way: before and after."""
    (place / "books/20_many.ipynb").unlink()
    for cells in (dict.fromkeys(BAD, "print('fine')"), {name: cell for name, (cell, _) in BAD.items()}):
        before = site_files(place)
        for name, cell in cells.items():
            write_book(place / "books", name, cell, needs=["orders"])
        notebooks._read_all.cache_clear()
        code = cli.main(["report"])
    assert code == 3
    return before, site_files(place)


def site_files(place):
    site = place / "reports/site"
    return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}


def test_after_a_failure_the_last_good_report_stays_and_is_marked(broken):
    good, now = broken
    for name, (_, says) in BAD.items():
        page, failed = now[f"tiny/{name}.html"].decode(), now[f"tiny/{name}.failed.html"].decode()
        assert "This page is out of date." in page
        assert f"since {datetime.datetime.now(datetime.UTC):%Y-%m-%d} it could not be made again" in page
        assert "fine" in page
        assert now[f"tiny/{name}.ipynb"] == good[f"tiny/{name}.ipynb"]
        assert says in failed
        assert says in now["index.html"].decode()
    assert not [name for name, text in now.items() if b"Ann owes" in text]


STEPS = """
    import os, signal, sys
    from pathlib import Path
    import filelock
    from analysis.publishing import publishing, write

    out, step, killed = Path(sys.argv[1]), 0, True

    def publish(number):
        with publishing(out, kept=2) as site:
            for page in range(3):
                write(site / "pages" / f"{page}.html", f"{number} " * 500 + "end")

    def killed_at(step):
        seen = 0
        def die(event, _):
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(die)

    publish(0)
    while killed:
        step += 1
        if not (child := os.fork()):
            killed_at(step)
            publish(step)
            os._exit(0)
        killed = os.waitpid(child, 0)[1] != 0
        texts = [(out / "pages" / f"{page}.html").read_text().split() for page in range(3)]
        assert all(len(text) == 501 and text[-1] == "end" for text in texts), step
        (version,) = {word for text in texts for word in text[:-1]}
        assert int(version) <= step
    left = sorted(p.name for p in (out.parent / ".site.builds").iterdir())
    assert len(left) == 3 and left[0] == ".lock", left
    print(step, version)
"""


def python(code, *arguments):
    """Runs code in a process of its own; returns the words it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_runner_killed_at_any_step_of_publishing_leaves_a_whole_report(tmp_path):
    """The runner is killed at its first call of the system, then at its second, and so on until one publish ends."""
    steps, version = map(int, python(STEPS, tmp_path / "site"))
    assert steps > 60, "a publish takes that many steps"
    assert version == steps, "the one that was let live is published"


FULL = """
    import resource, sys
    from pathlib import Path
    from analysis.publishing import publishing, write
    from analysis.tables import LoyaltyError

    out = Path(sys.argv[1])
    def publish(text):
        with publishing(out) as site:
            for page in range(3):
                write(site / f"{page}.html", text * (page + 1))
    publish("good")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        publish("half" * 20_000)
    except LoyaltyError as error:
        print(error)
"""


def test_a_disk_that_fills_up_while_publishing_leaves_the_last_good_report(tmp_path):
    told = " ".join(python(FULL, tmp_path / "site"))
    assert told.startswith("Could not write the report")
    assert "File too large. The last good report in" in told
    assert [(tmp_path / "site" / f"{page}.html").read_text() for page in range(3)] == [
        "good" * (page + 1) for page in range(3)
    ]
    assert not (tmp_path / ".site.builds/staging").exists()


def test_no_file_of_the_live_report_is_ever_written_into(tmp_path):
    out = tmp_path / "site"
    with publishing(out) as site:
        write(site / "page.html", "first")
    with (out / "page.html").open() as reader:
        with publishing(out) as site:
            write(site / "page.html", "second, and longer")
        assert reader.read() == "first"
    assert (out / "page.html").read_text() == "second, and longer"


def test_a_second_run_leaves_with_a_message_while_one_is_publishing(place, no_kernel, capsys):
    with publishing(place / "reports/site"):
        assert cli.main(["report"]) == 1
    assert "Another run is publishing into" in capsys.readouterr().err


# --- the same inputs, the same bytes --------------------------------------------------------------------------------

WANDERING = (
    "%config InlineBackend.figure_formats = ['svg']\nimport matplotlib.pyplot as plt\nimport numpy as np\n"
    "figure, axes = plt.subplots()\naxes.plot([1, 2], [2, 1], label='a')\naxes.fill_between([1, 2], [1, 2])\n"
    "axes.legend()\nplt.show()",
    "import statsmodels.api as sm\nchance = np.random.default_rng(1)\nx = chance.normal(size=50)\n"
    "sm.OLS(x + chance.normal(size=50), sm.add_constant(x)).fit().summary()",
    "import pandas as pd\nfrom lifelines import CoxPHFitter\n"
    "rows = pd.DataFrame({'t': np.arange(1, 41), 'e': [1] * 40, 'x': np.tile([0, 1], 20)})\n"
    "CoxPHFitter().fit(rows, 't', 'e').print_summary()",
    "display(rows.head(3).style.highlight_max())\nprint(object(), {f'word{n}' for n in range(9)}, plt.show)",
    "import warnings\nwarnings.warn('mind the step')",
)


def test_the_same_notebook_gives_the_same_bytes(tmp_path):
    """All that is known to wander from run to run: ids in SVG and styles, addresses, dates and times, sets, paths."""
    book = make_book(tmp_path, "wandering", *WANDERING)
    jobs = [Job("tiny", book, {"study": "tiny"}, name) for name in ("one", "two")]
    with Runner(workers=2, folder=tmp_path / "x", environment={}, told=lambda *_: None) as runner:
        made = runner.run(jobs)
    assert [o.verdict for o in made] == ["ok", "ok"], made[0].detail
    one, two = (nbformat.writes(clean(nbformat.read(o.executed, as_version=4))).splitlines() for o in made)
    assert [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]] == []
    text = "\n".join(one)
    assert all(word in text for word in ("<svg", "OLS Regression Results", "word8", "mind the step", "T_1"))
