"""The command `loyalty`: reports, single runs, checks, the register and the verdicts.

Only the standard library is imported before a command is known, so that help and mistakes answer at once.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import operating

if TYPE_CHECKING:
    from analysis.studies import Studies, Study

DONE, NOTHING_RUN, WRONG_COMMAND, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
OUT = Path("reports/site")
# How a file is written where it cannot say so itself: key -> example.
WRITTEN = {"table": "Sheet1", "encoding": "cp1256", "separator": ";", "decimal": ",", "thousands": "."}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code.

    0 done; 1 nothing was run because of settings or data; 2 the command line is wrong; 3 at least one run failed or
    was refused and the rest was published; 130 on Ctrl-C.
    """
    from analysis.tables import LoyaltyError

    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except WrongCommandError as error:
        print(f"loyalty: {error}", file=sys.stderr)
        return WRONG_COMMAND
    except LoyaltyError as error:
        print(f"loyalty: {error}", file=sys.stderr)
        return NOTHING_RUN
    except KeyboardInterrupt:
        print("\nloyalty: stopped; the last good report is untouched.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, say `head`, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return DONE


class WrongCommandError(Exception):
    """A study, notebook or parameter on the command line does not exist."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loyalty",
        description="Puts claims about customer loyalty to the test on a business's own data.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".", allow_abbrev=False)
        sub.set_defaults(command=function)
        return sub

    def with_studies(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--studies", type=Path, default=Path("studies.toml"), metavar="FILE", help="the studies file")

    def with_state(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--state", type=Path, metavar="DIR", help="what is kept between runs (default .loyalty)")

    def with_notebook(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("notebook", metavar="NOTEBOOK")
        sub.add_argument("--study", required=True, metavar="STUDY")
        with_studies(sub)
        told = "a parameter, instead of what the study gives it; may be repeated"
        sub.add_argument("-p", dest="parameters", action="append", default=[], metavar="name=value", help=told)

    report = command("report", _report, "run the notebooks of all or the named studies and publish the site")
    report.add_argument("names", nargs="*", metavar="STUDY", help="default: every study of the file")
    with_studies(report)
    report.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"the site (default {OUT})")
    report.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="default: the cores")
    report.add_argument("--cluster", default="", metavar="ADDRESS", help="of a Dask scheduler whose workers run them")
    with_state(report)
    report.add_argument("--wait", action="store_true", help="while another run is publishing there, wait for its end")
    report.add_argument("--fresh", action="store_true", help="run everything, whether or not it changed")
    report.add_argument("--explain", action="store_true", help="say what is due and why, and run nothing")

    run = command("run", _run, "run one notebook on one study")
    with_notebook(run)
    run.add_argument("--out", type=Path, metavar="DIR", help="default reports/runs/STUDY")

    scores = command("scores", _scores, "write what a notebook says of each customer into a file for its owner alone")
    with_notebook(scores)
    scores.add_argument("--to", type=Path, required=True, metavar="FILE.parquet", help="outside of any report folder")

    export = command("export", _export, "write all published pages of a study into one file for e-mail")
    export.add_argument("name", metavar="STUDY")
    with_studies(export)
    export.add_argument("--to", type=Path, required=True, metavar="FILE.html")
    export.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"the site (default {OUT})")
    export.add_argument("--audience", choices=["public", "full"], default="public", help="full: with the code, folded")

    check = command("check", _check, "read every table of a study and print what was kept, dropped and is wrong")
    check.add_argument("name", metavar="STUDY")
    with_studies(check)

    new = command("new", _new, "look at your files, propose a study, write it into the studies file and check it")
    new.add_argument("name", metavar="STUDY", help="small letters, digits, - and _")
    new.add_argument("files", nargs="+", metavar="FILE", help="or TABLE=FILE, such as orders=sales.csv")
    with_studies(new)
    new.add_argument("--title", help="for readers (default: the name)")
    new.add_argument("--currency", metavar="CODE", help="shown with every amount, such as EUR")
    new.add_argument(
        "--date-format", default="", metavar="FORMAT", help='where dates can be read in two ways: "%%d/%%m/%%Y"'
    )
    for key, example in WRITTEN.items():
        new.add_argument(f"--{key}", metavar="TEXT", help=f"of a file that cannot say it itself, as {example}")
    new.add_argument("--tenure-unit", default="", choices=("day", "week", "month", "year"), help="what a tenure counts")
    new.add_argument("--observed-until", default="", metavar="DATE", help="the last day seen, as 2025-12-31")

    claims = command("claims", _claims, "print the register of claims")
    claims.add_argument("--json", action="store_true")

    found = command("findings", _findings, "print the verdicts of the latest report")
    found.add_argument("--json", action="store_true")
    found.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"the site (default {OUT})")

    def operated(sub: argparse.ArgumentParser) -> None:
        with_studies(sub)
        sub.add_argument("--out", type=Path, metavar="DIR", help=f"the site (default {OUT})")
        with_state(sub)
        sub.set_defaults(load=_settings, site=OUT)

    operating.add(command, operated, _positive)
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _settings(path: Path) -> Studies:
    from analysis import findings, hypotheses, studies
    from analysis.notebooks import catalogue

    parameters = {name: set(notebook.parameters) - {"study"} for name, notebook in catalogue().items()}
    loaded = studies.load(path, notebooks=parameters, hypotheses=set(hypotheses.REGISTER))
    for name in loaded:
        findings.check_effects(loaded[name])
    return loaded


def _study(settings: Studies, name: str) -> Study:
    return settings[_known(name, settings.studies, "study")]


def _known(name: str, known: Any, what: str) -> str:
    from analysis.tables import nearest

    if name not in known:
        raise WrongCommandError(
            f"there is no {what} {name!r}; the nearest is {nearest(name, known)!r}; all: {', '.join(known)}."
        )
    return name


def _report(options: argparse.Namespace) -> int:
    from analysis import keys, state

    kept = state.at(options.state)
    asked = keys.asked(options.studies, options.names, options.out)
    if not (options.fresh or options.explain) and keys.unchanged(kept, asked):
        print(f"Nothing has changed, and nothing was run.\nReport: {options.out / 'index.html'}")
        return DONE
    from analysis import report
    from analysis.progress import Progress

    settings = _settings(options.studies)
    names = [_known(name, settings.names, "study") for name in options.names or settings.studies]
    chosen = list(dict.fromkeys(study for name in names for study in settings.named(name)))
    if options.explain:
        for job, reasons in report.explain(settings, chosen, out=options.out, state=kept):
            print(f"{job.study} · {job.slug}: {'due: ' + '; '.join(reasons) if reasons else 'at hand'}")
        return DONE
    given: dict[str, Any] = {"out": options.out, "workers": options.jobs, "state": kept, "fresh": options.fresh}
    given["cluster"] = options.cluster
    if options.wait:
        given["wait"] = functools.partial(print, file=sys.stderr)
    with Progress() as progress:
        result = report.make(settings, chosen, **given, progress=progress)
    for line in [*result.notes, *result.problems]:
        print(line, file=sys.stderr)
    print(f"Report: {options.out / 'index.html'}")
    return SOME_FAILED if result.problems else DONE


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What a command about one notebook is about: study, notebook, parameters, studies."""
    from analysis.notebooks import catalogue
    from analysis.tables import SettingsError

    settings = _settings(options.studies)
    study = _study(settings, options.study)
    notebook = catalogue()[_known(options.notebook, catalogue(), "notebook")]
    given = [text.partition("=") for text in options.parameters]
    names = [name for name, _, _ in given]
    problems = [f"-p takes name=value, not {name!r}." for name, equals, _ in given if not equals]
    problems += [
        f"-p: {name!r} is given {names.count(name)} times." for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    try:
        parameters = notebook.values({n: value for n, equals, value in given if equals}, where="-p", written=True)
    except SettingsError as error:
        problems.append(str(error))
    if problems:
        raise WrongCommandError("\n".join(problems))
    listed = [run.parameters for run in study.runs if run.notebook == notebook.name]
    parameters = (listed[0] if len(listed) == 1 else {}) | parameters  # several runs: nobody said which
    return {"study": study, "notebook": notebook, "parameters": parameters, "studies": settings}


def _run(options: argparse.Namespace) -> int:
    from analysis import report
    from analysis.progress import Progress

    asked = _asked(options)
    out = options.out or Path("reports/runs") / asked["study"].name
    with Progress() as progress:
        result = report.run_one(**asked, out=out, progress=progress)
    return _ended(result.problems, f"Page: {out / (asked['notebook'].name + '.html')}")


def _scores(options: argparse.Namespace) -> int:
    from analysis import report
    from analysis.notebooks import catalogue
    from analysis.progress import Progress

    asked = _asked(options)
    if not asked["notebook"].scores:
        having = ", ".join(name for name, notebook in catalogue().items() if notebook.scores)
        raise WrongCommandError(f"{asked['notebook'].name} has no scores; those that have: {having}.")
    with Progress() as progress:
        result = report.write_scores(**asked, to=options.to, progress=progress)
    return _ended(result.problems, "" if result.problems else f"Scores: {options.to}")


def _ended(problems: Sequence[str], said: str) -> int:
    for line in problems:
        print(line, file=sys.stderr)
    if said:
        print(said)
    return SOME_FAILED if problems else DONE


def _export(options: argparse.Namespace) -> int:
    from analysis import onefile

    study = _study(_settings(options.studies), options.name)
    size = onefile.export(study, site=options.out, to=options.to, audience=options.audience)
    print(f"{options.to}: {size / 1e6:.1f} MB, opens without a network")
    return DONE


def _check(options: argparse.Namespace) -> int:
    from analysis import runs, words

    study = _study(_settings(options.studies), options.name)
    planned = runs.plan(study)
    checked = study.check()
    print(checked)
    if not checked.problems:
        print(f"\n{words.plural(len(planned), 'run')} planned: {', '.join(job.slug for job in planned)}.")
    return NOTHING_RUN if checked.problems else DONE


def _new(options: argparse.Namespace) -> int:
    from analysis import proposals

    written = {key: value for key in WRITTEN if (value := getattr(options, key))}
    told = proposals.Told(options.date_format, options.tenure_unit, options.observed_until, written)
    asked = {"into": options.studies, "title": options.title, "currency": options.currency, "told": told}
    print(proposals.write(options.name, options.files, **asked))
    print(f"Written into {options.studies}: read it and mend what is wrong. What the check says:\n")
    code = _check(options)
    if code == DONE:
        print(f"Make its report with: loyalty report {options.name} --studies {options.studies}")
    return code


def _claims(options: argparse.Namespace) -> int:
    from analysis import hypotheses

    rows = [hypothesis.as_dict() for hypothesis in hypotheses.REGISTER.values()]
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return DONE
    for family, title in hypotheses.FAMILIES.items():
        print(f"\n{title}")
        for row in rows:
            if row["id"].startswith(family):
                print(f"  {row['id']}  {'●' if row['notebook'] else '○'}  {row['claim']}")
    written = sum(row["status"] == "tested" for row in rows)
    print(f"\n{len(rows)} claims; ● {written} tested, ○ {len(rows) - written} whose test is not written.")
    return DONE


def _findings(options: argparse.Namespace) -> int:
    from analysis import boards, exhibits, findings
    from analysis.tables import LoyaltyError

    if not (options.out / "findings.json").exists():
        raise LoyaltyError(f"There is no report in {options.out} yet. Make one with: loyalty report")
    entries = findings.read(options.out / "findings.json")
    if options.json:
        print(json.dumps(entries, indent=1, ensure_ascii=False))
        return DONE
    for entry in boards.headlines(entries):
        print(f"{entry['hypothesis']}  {entry['study']:10}  {entry['verdict']:21}  {exhibits.estimate_text(entry)}")
        print(f"     {entry['claim']}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
