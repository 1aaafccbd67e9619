"""Makes reports: checks the data, runs the notebooks, renders the pages, publishes the site in one step.

Pages and findings of studies that are not run now, and the last good page of a run that fails, stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis import findings, hypotheses, languages, pages, runs, scores
from analysis.notebooks import Notebook
from analysis.publishing import publishing, write
from analysis.runs import OK, REFUSED, Job, Outcome, Runner
from analysis.studies import Studies, Study
from analysis.tables import LoyaltyError

PACKAGES = (
    "loyalty-lab", "pandas", "numpy", "scipy", "statsmodels", "lifelines", "duckdb", "ibis-framework", "matplotlib",
)  # fmt: skip

Entry = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a report came to: the outcomes of its runs, what to know, and a message for each thing that went wrong."""

    outcomes: list[Outcome]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make(studies: Studies, chosen: Sequence[Study], *, out: Path, workers: int, progress: runs.Told) -> Result:
    """Run every notebook of the chosen studies and publish the site.

    Args:
        studies: the studies file.
        chosen: the studies to run now.
        out: the folder that readers open.
        workers: notebooks executed side by side.
        progress: told whenever a notebook changes its state.

    Raises:
        LoyaltyError: no study could be run, or the site cannot be written. The last good site is untouched.
    """
    with publishing(out) as site:
        checks = {study.name: study.check() for study in chosen}
        refused = {name: check.problems for name, check in checks.items() if check.problems}
        if len(refused) == len(chosen):
            raise LoyaltyError("\n".join(message for problems in refused.values() for message in problems))
        jobs = [job for study in chosen if study.name not in refused for job in runs.plan(study)]
        for job in jobs:
            progress(job, "waiting", 0, 1)
        before = _Published.read(site)
        gone = _leave_out(before, studies, site)
        with tempfile.TemporaryDirectory() as folder:
            made = _execute(jobs, before, studies=studies, folder=Path(folder), workers=workers, progress=progress)
            now = _render(made, before, chosen=chosen, refused=refused, studies=studies, site=site)
        now.write(site)
        told: dict[str, Any] = {"studies": _titles(studies, now), "language": chosen[0].report.language}
        write(site / "index.html", pages.render_index(now.entries, _claims(), now.runs, **told))
    problems = [message for messages in refused.values() for message in messages]
    problems += [
        f"{o.job.study} · {o.job.slug} {o.verdict}. {o.message}\n  {o.detail}" for o in made if o.verdict != OK
    ]
    notes = (
        [f"No longer in the report, because {studies.path.name} does not name them: {', '.join(gone)}."] if gone else []
    )
    return Result(made, problems, notes)


def _leave_out(before: _Published, studies: Studies, site: Path) -> list[str]:
    """Takes studies that the file does not name out of the site: a report shows one studies file, whole."""
    gone = sorted({r["study"] for r in before.runs if r["study"] not in studies.studies})
    for name in gone:
        shutil.rmtree(site / name, ignore_errors=True)
    before.runs = [r for r in before.runs if r["study"] not in gone]
    before.entries = [e for e in before.entries if e["study"] not in gone]
    return gone


def run_one(
    study: Study,
    notebook: Notebook,
    *,
    parameters: Mapping[str, Any],
    out: Path,
    studies: Studies,
    progress: runs.Told,
) -> Result:
    """Run one notebook on one study: its page, the executed notebook and its findings in a folder.

    Raises:
        LoyaltyError: the study's data break their contract, or lack a table that the notebook needs; or the folder
            holds something else.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / "findings.json").exists():
        raise LoyaltyError(f"{out} holds something else. Choose an empty or new folder with --out.")
    if problems := study.check().problems:
        raise LoyaltyError("\n".join(problems))
    job = runs.job(study, notebook, parameters=parameters)
    progress(job, "waiting", 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        known = findings.latest()
        (outcome,) = _execute(
            [job], _Published(known, []), studies=studies, folder=Path(folder), workers=1, progress=progress
        )
        staged = Path(folder) / "page"
        now = _render(
            [outcome], _Published([], []), chosen=[study], refused={}, studies=studies, site=staged, flat=True
        )
        write(staged / "findings.json", _json(now.entries))
        out.mkdir(parents=True, exist_ok=True)
        for file in sorted(p for p in staged.rglob("*") if p.is_file()):
            place = out / file.relative_to(staged)
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(f".{place.name}.new")
            shutil.copyfile(file, fresh)
            os.replace(fresh, place)
    return _told(outcome)


def write_scores(
    study: Study,
    notebook: Notebook,
    *,
    parameters: Mapping[str, Any],
    to: Path,
    studies: Studies,
    progress: runs.Told,
) -> Result:
    """Run one notebook for its scores: they take their place when it ends well, and nothing else is kept.

    Raises:
        LoyaltyError: scores may not lie there, or as `run_one`.
    """
    with tempfile.TemporaryDirectory() as folder, scores.unfinished(to) as file:
        if problems := study.check().problems:
            raise LoyaltyError("\n".join(problems))
        job = runs.job(study, notebook, parameters=parameters)
        environment = {"LOYALTY_STUDIES": str(studies.path.resolve()), scores.PLACE: str(file.absolute())}
        (outcome,) = Runner(workers=1, folder=Path(folder), environment=environment, told=progress).run([job])
        if outcome.verdict == OK:
            scores.finish(file, to)
    return _told(outcome)


def _told(outcome: Outcome) -> Result:
    message = f"{outcome.job.slug} {outcome.verdict}. {outcome.message}\n  {outcome.detail}"
    return Result([outcome], [] if outcome.verdict == OK else [message])


# --- what is published: findings and runs, before and after -------------------------------------------------------


@dataclass
class _Published:
    """The findings and the list of runs of a site."""

    entries: list[Entry]
    runs: list[dict[str, Any]]

    @classmethod
    def read(cls, site: Path) -> _Published:
        listed = site / "runs.json"
        known = json.loads(listed.read_text("utf-8")) if listed.exists() else []
        return cls(findings.read(site / "findings.json"), known)

    def write(self, site: Path) -> None:
        write(site / "findings.json", _json(self.entries))
        write(site / "runs.json", _json(self.runs))

    def run(self, study: str, slug: str) -> dict[str, Any] | None:
        return next((r for r in self.runs if (r["study"], r["slug"]) == (study, slug)), None)

    def of_run(self, study: str, slug: str) -> list[Entry]:
        return [e for e in self.entries if (e["study"], e["run"]) == (study, slug)]


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


# --- executing ----------------------------------------------------------------------------------------------------


def _execute(
    jobs: Sequence[Job],
    before: _Published,
    *,
    studies: Studies,
    folder: Path,
    workers: int,
    progress: runs.Told,
) -> list[Outcome]:
    """Runs the jobs; those that read findings come last and see what the others found."""
    known = folder / "findings.json"
    environment = {"LOYALTY_STUDIES": str(studies.path.resolve()), "LOYALTY_FINDINGS": str(known)}
    runner = Runner(workers=workers, folder=folder, environment=environment, told=progress)
    first = runner.run([job for job in jobs if not job.notebook.runs_last])
    fresh = _one_headline([e for o in first if o.verdict == OK for e in _entries(o, studies, before)])
    rerun = {job.study for job in jobs}
    failed = {(o.job.study, o.job.slug) for o in first if o.verdict != OK}
    kept = [e for e in before.entries if e["study"] not in rerun or (e["study"], e["run"]) in failed]
    known.write_text(_json(_one_headline([*fresh, *kept])), "utf-8")
    return first + runner.run([job for job in jobs if job.notebook.runs_last])


def _entries(outcome: Outcome, studies: Studies, before: _Published) -> list[Entry]:
    """The findings of a run with all that only the runner knows."""
    job, study = outcome.job, studies[outcome.job.study]
    recorded = datetime.now(UTC).isoformat(timespec="seconds")
    shared = {
        "notebook": job.notebook.name,
        "run": job.slug,
        "parameters": job.effective,
        "data_digest": _data_digest(study),
        "versions": {name: version(name) for name in PACKAGES},
        "recorded_at": recorded,
    }
    earlier = {(e["hypothesis"], e["reading"]): e for e in before.of_run(job.study, job.slug)}
    return [
        _with_changes(entry | shared, job, earlier.get((entry["hypothesis"], entry["reading"])))
        for entry in runs.entries_of(_read_notebook(outcome))
    ]


def _read_notebook(outcome: Outcome) -> Any:
    import nbformat

    return runs.clean(nbformat.read(outcome.executed, as_version=4))


def _data_digest(study: Study) -> str:
    return hashlib.sha256(json.dumps(study.digests, sort_keys=True).encode()).hexdigest()


def _with_changes(entry: Entry, job: Job, earlier: Entry | None) -> Entry:
    """Adds what differs from the defaults, and whether it was changed after the first run.

    The first run's parameters, rule and register travel along in `first_run`, so that a later run can tell.
    """
    declared = {"parameters": entry["parameters"], "rule": entry["rule"]}
    first = (earlier or {}).get("first_run") or declared | {"recorded_at": entry["recorded_at"]}
    changed = [c | {"after_first_run": first["rule"] != entry["rule"]} for c in entry["changed"]]
    if first["rule"] != entry["rule"] and not changed:
        texts = {"default": first["rule"]["text"], "value": entry["rule"]["text"]}
        changed = [{"what": "rule", "name": entry["hypothesis"], **texts, "after_first_run": True}]
    for name, value in entry["parameters"].items():
        default = job.notebook.parameters[name].default
        was = first["parameters"].get(name, default)
        if name != "study" and (value != default or was != value):
            change = {"what": "parameter", "name": name, "default": default, "value": value}
            changed.append(change | {"after_first_run": was != value})
    return entry | {"changed": changed, "first_run": first}


def _one_headline(entries: list[Entry]) -> list[Entry]:
    """Of each claim and study exactly one entry stays the headline: the first that says so."""
    seen: set[tuple[str, str]] = set()
    single = []
    for entry in entries:
        key = (entry["hypothesis"], entry["study"])
        single.append(entry | {"headline": entry["headline"] and key not in seen})
        if entry["headline"]:
            seen.add(key)
    return single


# --- rendering ----------------------------------------------------------------------------------------------------


def _render(
    made: Sequence[Outcome],
    before: _Published,
    *,
    chosen: Sequence[Study],
    refused: Mapping[str, Sequence[str]],
    studies: Studies,
    site: Path,
    flat: bool = False,
) -> _Published:
    """Writes the pages of all runs into the staged site; returns what is published now."""
    rerun = {study.name for study in chosen}
    entries: list[Entry] = []
    listed = [r for r in before.runs if r["study"] not in rerun]
    planned = {study.name: [o.job for o in made if o.job.study == study.name] for study in chosen}
    _drop_old_pages(site, before, planned, refused)
    for outcome in made:
        job = outcome.job
        fresh = _entries(outcome, studies, before) if outcome.verdict == OK else before.of_run(job.study, job.slug)
        entries += fresh
        folder = site if flat else site / job.study
        row = _run_row(outcome, before.run(job.study, job.slug))
        context = _context(outcome, studies[job.study], siblings=planned[job.study], flat=flat)
        if outcome.verdict == OK:
            _write_page(folder, outcome, context, fresh)
        else:
            write(folder / f"{row['failure_page']}", pages.render_failure(context, outcome.message, cell=outcome.cell))
        listed.append(row)
    for name, problems in refused.items():
        listed += _refused_rows(studies[name], problems, before)
        entries += [e for e in before.entries if e["study"] == name]
    entries += [e for e in before.entries if e["study"] not in rerun]
    order = {name: place for place, name in enumerate(studies)}
    listed.sort(key=lambda r: (order.get(r["study"], len(order)), r["slug"]))
    entries.sort(key=lambda e: (order.get(e["study"], len(order)), e["run"]))
    return _Published(_one_headline(entries), listed)


def _drop_old_pages(
    site: Path, before: _Published, planned: Mapping[str, Sequence[Job]], refused: Mapping[str, Any]
) -> None:
    """Takes away the pages of runs that the studies run now no longer plan."""
    for study, jobs in planned.items():
        if study in refused:
            continue
        slugs = {job.slug for job in jobs}
        for row in (r for r in before.runs if r["study"] == study and r["slug"] not in slugs):
            for path in (site / study).glob(f"{row['slug']}.*"):
                path.unlink()
            shutil.rmtree(site / study / f"{row['slug']}-data", ignore_errors=True)


def _write_page(folder: Path, outcome: Outcome, context: pages.PageContext, entries: list[Entry]) -> None:
    import nbformat

    notebook, slug = _read_notebook(outcome), outcome.job.slug
    _put_back(notebook, entries)
    page, data = pages.render_page(notebook, context)
    shutil.rmtree(folder / f"{slug}-data", ignore_errors=True)
    for name, text in data.items():
        write(folder / name, text)
    if context.executed_href:
        write(folder / context.executed_href, nbformat.writes(notebook))
    (folder / f"{slug}.failed.html").unlink(missing_ok=True)
    write(folder / f"{slug}.html", page)


def _put_back(notebook: Any, entries: Iterable[Entry]) -> None:
    """Puts the completed findings into the notebook's outputs, less the time: same inputs, same bytes."""
    timeless = ("recorded_at", "first_run")
    complete = iter([{k: v for k, v in e.items() if k not in timeless} for e in entries])
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if recorded := output.get("data", {}).get(findings.MIME):
                recorded["entries"] = [next(complete) for _ in recorded["entries"]]


def _run_row(outcome: Outcome, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """One line of the list of runs; after a failure it keeps pointing to the last good page."""
    job, now = outcome.job, datetime.now(UTC).isoformat(timespec="seconds")
    row = {
        "study": job.study,
        "notebook": job.notebook.name,
        "slug": job.slug,
        "title": job.notebook.question,
        "href": f"{job.study}/{job.slug}.html",
        "state": outcome.verdict,
        "message": outcome.message,
        "recorded_at": now,
        "seconds": round(outcome.seconds, 1),
        "peak_mib": outcome.peak_mib,
        "good_since": now,
        "failure_page": None,
    }
    if outcome.verdict == OK:
        return row
    good = earlier and earlier["good_since"]
    return row | {"good_since": good, "failure_page": f"{job.slug}.failed.html" if good else f"{job.slug}.html"}


def _refused_rows(study: Study, problems: Sequence[str], before: _Published) -> list[dict[str, Any]]:
    """The runs of a study whose data could not be read: its last good pages stay, marked."""
    message = "\n".join(problems)
    kept = [r | {"state": REFUSED, "message": message} for r in before.runs if r["study"] == study.name and r["slug"]]
    nothing = {
        "study": study.name, "notebook": "", "slug": "", "title": study.title, "href": None, "state": REFUSED,
        "message": message, "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": 0.0,
        "peak_mib": 0, "good_since": None, "failure_page": None,
    }  # fmt: skip
    return kept or [nothing]


def _context(outcome: Outcome, study: Study, *, siblings: Sequence[Job], flat: bool) -> pages.PageContext:
    job = outcome.job
    return pages.PageContext(
        study=study.name,
        study_title=study.title,
        title=job.notebook.question,
        caveats=tuple(study.caveats),
        simulated=study.simulated,
        siblings=() if flat else tuple((s.notebook.question, f"{s.slug}.html", s is job) for s in siblings),
        provenance=_provenance(job, study),
        audience=study.audience,
        index_href=None if flat else "../index.html",
        executed_href=f"{job.slug}.ipynb" if study.audience == "full" else None,
        data_folder=f"{job.slug}-data",
        language=study.language,
        narrative=languages.narrative(job.notebook.path.parent / study.language / f"{job.notebook.name}.md"),
    )


def _provenance(job: Job, study: Study) -> dict[str, str]:
    """Where a page comes from, as label -> text; nothing in it changes while the inputs do not."""
    until = {t.name: t.facts["observed_until"] for t in study.check().tables if t.facts.get("observed_until")}
    changed = {n: v for n, v in job.effective.items() if n != "study" and v != job.notebook.parameters[n].default}
    options = "".join(
        f" -p {name}={json.dumps(value) if not isinstance(value, str) else value}" for name, value in changed.items()
    )
    told = {
        "Data as of": "; ".join(f"{name} {day}" for name, day in until.items()),
        "Files": "; ".join(f"{table} sha256 {digest[:16]}" for table, digest in study.digests.items() if digest),
        "Rows kept": "; ".join(f"{t.name} {t.steps[-1].kept:,} of {t.steps[0].kept:,}" for t in study.check().tables),
        "Parameters": ", ".join(f"{name} = {value!r}" for name, value in job.effective.items()),
        "Register": f"sha256 {hypotheses.digest()}",
        "Versions": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "Made again by": f"loyalty run {job.notebook.name} --study {study.name}{options}",
    }
    return {label: text for label, text in told.items() if text}


def _claims() -> list[dict[str, Any]]:
    return [hypothesis.as_dict() for hypothesis in hypotheses.REGISTER.values()]


def _titles(studies: Studies, now: _Published) -> dict[str, dict[str, Any]]:
    """Study -> title and labels, for the index."""
    shown = {r["study"] for r in now.runs}
    told = [studies[name] for name in studies if name in shown]
    return {s.name: {"title": s.title, "simulated": s.simulated, "caveats": s.caveats} for s in told}
