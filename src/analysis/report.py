"""Makes reports: checks the data, runs the notebooks, renders the pages, publishes the site in one step.

Pages and findings of studies that are not run now, and the last good page of a run that fails, stay as they are.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis import findings, hypotheses, keys, languages, leaks, news, pages, provenance, runs, scores
from analysis.making import Made, Making, Published, as_json, as_text, complete, in_order, now, reading, runner_in
from analysis.notebooks import Notebook
from analysis.publishing import publishing, write
from analysis.runs import OK, REFUSED, Job, Outcome, Runner
from analysis.settings import ReportSettings
from analysis.sources import file_digest
from analysis.state import State
from analysis.studies import Studies, Study
from analysis.tables import LoyaltyError


@dataclass(frozen=True)
class Result:
    """What a report came to: the outcomes of its runs, what to know, and a message for each thing that went wrong."""

    outcomes: list[Outcome]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make(
    studies: Studies,
    chosen: Sequence[Study],
    *,
    out: Path,
    workers: int,
    progress: runs.Told,
    state: State,
    fresh: bool = False,
    wait: Callable[[str], None] | None = None,
    cluster: str = "",
) -> Result:
    """Run every notebook of the chosen studies whose result is not at hand, and publish the site.

    Args:
        studies: the studies file.
        chosen: the studies to run now.
        out: the folder that readers open.
        workers: notebooks executed side by side.
        progress: told whenever a notebook changes its state.
        state: where results are kept.
        fresh: run all of them, at hand or not.
        wait: told that another run is publishing there, whose end is then awaited; without it this run leaves.
        cluster: the address of a Dask scheduler whose workers execute the notebooks; without one it is this machine.

    Raises:
        LoyaltyError: no study could be run, or the site cannot be written. The last good pages stay; where the data
            were refused, they say since when they are out of date.
    """
    asked = keys.asked(studies.path, [s.name for s in chosen] if len(chosen) < len(studies) else [], out)
    keys.settle(state, asked, None)
    with publishing(out, kept=chosen[0].report.kept, wait=wait) as site, tempfile.TemporaryDirectory() as folder:
        refused = {study.name: problems for study in chosen if (problems := study.check().problems)}
        before, stopped = Published.read(site), None
        if len(refused) == len(chosen):
            stopped = LoyaltyError("\n".join(message for problems in refused.values() for message in problems))
            if not any(row["study"] in refused for row in before.runs):
                raise stopped
        jobs = [job for study in chosen if study.name not in refused for job in runs.plan(study)]
        for job in jobs:
            progress(job, "waiting", 0, 1)
        gone = _leave_out(before, studies, jobs, site)
        making = Making(studies, before, state, fresh=fresh)
        made = making.all(jobs, folder=Path(folder), workers=workers, progress=progress, cluster=cluster)
        now = _render(made, before, refused=refused, studies=studies, site=site, rendering=making.recipes.rendering)
        now.write(site)
        _remember(site, before, now, {s.name: news.tables_of(s) for s in chosen if s.name not in refused}, studies)
        _write_index(site, now, studies)
    if stopped:  # readers were told that their pages are out of date
        raise stopped
    result = _summed_up([m.outcome for m in made], refused)
    if gone:
        told_gone = f"because {studies.path.name} does not name them: {', '.join(gone)}."
        result.notes.append(f"No longer in the report, {told_gone}")
    result.notes.extend(making.notes)
    if not result.problems and not making.unsettled and making.recipes.watch.changed() is None:
        making.recipes.watch.tree(out.absolute())
        keys.settle(state, asked, making.recipes.watch)
    return result


def explain(studies: Studies, chosen: Sequence[Study], *, out: Path, state: State) -> list[tuple[Job, list[str]]]:
    """Every run of the chosen studies with the reasons why it is due, none where its result is at hand; runs nothing.

    Raises:
        LoyaltyError: a study's data break their contract.
    """
    _refuse_broken(*chosen)
    making = Making(studies, Published.read(out), state)
    jobs = [job for study in chosen for job in runs.plan(study)]
    first = [making.ask(job) for job in jobs if not job.notebook.runs_last]
    due = sum(not a.kept for a in first)
    known = [] if due else making.known([making.complete(a) for a in first])
    told = {a.recipe.job: a.why for a in first}
    for job in (job for job in jobs if job.notebook.runs_last):
        told[job] = [f"{due} of the runs whose findings it reads are due"] if due else making.ask(job, known).why
    return [(job, told[job]) for job in jobs]


def _refuse_broken(*chosen: Study) -> None:
    if problems := [problem for study in chosen for problem in study.check().problems]:
        raise LoyaltyError("\n".join(problems))


def _summed_up(outcomes: list[Outcome], refused: Mapping[str, Sequence[str]]) -> Result:
    problems = [message for messages in refused.values() for message in messages]
    failed = [o for o in outcomes if o.verdict != OK]
    problems += [f"{o.job.study} · {o.job.slug} {o.verdict}. {o.message}\n  {o.detail}" for o in failed]
    return Result(outcomes, problems)


def _leave_out(before: Published, studies: Studies, jobs: Sequence[Job], site: Path) -> list[str]:
    """Takes out of the site what is no longer planned: studies that the file does not name, runs of the studies run.

    Returns the studies that went.
    """
    gone = sorted({r["study"] for r in before.runs if r["study"] not in studies.studies})
    for name in gone:
        shutil.rmtree(site / name, ignore_errors=True)
    planned = {(job.study, job.slug) for job in jobs}
    rerun = {job.study for job in jobs}

    def stays(study: str, slug: str) -> bool:
        return study not in gone and (study not in rerun or (study, slug) in planned)

    for row in before.runs:
        if row["slug"] and not stays(row["study"], row["slug"]):
            for path in (site / row["study"]).glob(f"{row['slug']}.*"):
                path.unlink()
            shutil.rmtree(site / row["study"] / f"{row['slug']}-data", ignore_errors=True)
    before.runs = [r for r in before.runs if stays(r["study"], r["slug"])]
    before.entries = [e for e in before.entries if stays(e["study"], e["run"])]
    return gone


def take_out(name: str, studies: Studies, *, out: Path) -> None:
    """Take a study out of the site: its pages, findings and news; earlier builds of the site, which show it, go too.

    The summaries of other studies, which may quote it, go as well; their next report makes them again.

    Raises:
        LoyaltyError: the site cannot be written.
    """
    others = replace(studies, studies={known: study for known, study in studies.studies.items() if known != name})
    with publishing(out, kept=1) as site:
        now = Published.read(site)
        stay = [job for study in others for job in runs.plan(others[study]) if not job.notebook.runs_last]
        _leave_out(now, others, stay, site)
        now.write(site)
        _write_news(site, news.without(news.read(site), name), others)
        _write_index(site, now, others)


def run_one(
    study: Study, notebook: Notebook, *, parameters: Mapping[str, Any], out: Path, studies: Studies, progress: runs.Told
) -> Result:
    """Run one notebook on one study: its page, the executed notebook and its findings in a folder.

    Raises:
        LoyaltyError: the study's data break their contract, or lack a table that the notebook needs; or the folder
            holds something else.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / "findings.json").exists():
        raise LoyaltyError(f"{out} holds something else. Choose an empty or new folder with --out.")
    _refuse_broken(study)
    job = runs.job(study, notebook, parameters=parameters)
    progress(job, "waiting", 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        before = Published(findings.latest(), [])
        with runner_in(Path(folder), studies, workers=1, told=progress) as runner:
            others = [e for e in before.entries if (e["study"], e["run"]) != (job.study, job.slug)]
            (outcome,) = reading(others, runner).run([job])
        staged = Path(folder) / "page"
        made = [complete(outcome, study, before)]
        now = _render(made, Published([], []), refused={}, studies=studies, site=staged, flat=True)
        write(staged / "findings.json", as_json(now.entries))
        leaks.refuse_secrets(staged, leaks.secrets(studies.path))
        out.mkdir(parents=True, exist_ok=True)
        for file in sorted(p for p in staged.rglob("*") if p.is_file()):
            place = out / file.relative_to(staged)
            place.parent.mkdir(parents=True, exist_ok=True)
            new = place.with_name(f".{place.name}.new")
            shutil.copyfile(file, new)
            os.replace(new, place)
    return _summed_up([made[0].outcome], {})


def write_scores(
    study: Study, notebook: Notebook, *, parameters: Mapping[str, Any], to: Path, studies: Studies, progress: runs.Told
) -> Result:
    """Run one notebook for its scores: they take their place when it ends well, and nothing else is kept.

    Raises:
        LoyaltyError: scores may not lie there, or as `run_one`.
    """
    with tempfile.TemporaryDirectory() as folder, scores.unfinished(to) as file:
        _refuse_broken(study)
        job = runs.job(study, notebook, parameters=parameters)
        environment = {"LOYALTY_STUDIES": str(studies.path.resolve()), scores.PLACE: str(file.absolute())}
        with Runner(workers=1, folder=Path(folder), environment=environment, told=progress) as runner:
            (outcome,) = runner.run([job])
        if outcome.verdict == OK:
            scores.finish(file, to)
    return _summed_up([outcome], {})


# --- rendering ----------------------------------------------------------------------------------------------------


def _render(
    made: list[Made],
    before: Published,
    *,
    refused: Mapping[str, Sequence[str]],
    studies: Studies,
    site: Path,
    rendering: str = "",
    flat: bool = False,
) -> Published:
    """Writes the pages of all runs into the staged site; returns what is published now.

    A run whose page shows what must not be published becomes a refused one, in `made` as well.
    """
    done = {(m.outcome.job.study, m.outcome.job.slug) for m in made}
    entries = [e for e in before.entries if (e["study"], e["run"]) not in done]
    listed = [r for r in before.runs if (r["study"], r["slug"]) not in done and r["study"] not in refused]
    for place, one in enumerate(made):
        job, outcome = one.outcome.job, one.outcome
        earlier = before.run(job.study, job.slug)
        siblings = [m.outcome.job for m in made if m.outcome.job.study == job.study]
        context = _context(one, studies, siblings=siblings, flat=flat)
        folder, written = site if flat else site / job.study, {}
        if outcome.verdict == OK:
            try:
                people = leaks.identities(studies[job.study])
                written = _write_page(folder, one, context, rendering, earlier or {}, people)
            except LoyaltyError as error:
                outcome = replace(outcome, verdict=REFUSED, message=str(error))
                one = made[place] = replace(one, outcome=outcome)
        good, row = outcome.verdict == OK, _run_row(one, earlier) | written
        entries += one.entries if good else before.of_run(job.study, job.slug)
        if not good:
            write(folder / f"{row['failure_page']}", pages.render_failure(context, outcome.message, cell=outcome.cell))
            _mark_stale(site, row, studies[job.study])
        listed.append(row)
    for name, problems in refused.items():
        listed += (rows := _refused_rows(studies[name], problems, before))
        for row in rows:
            _mark_stale(site, row, studies[name])
    order = {name: place for place, name in enumerate(studies)}
    listed.sort(key=lambda r: (order.get(r["study"], len(order)), r["slug"]))
    return Published(in_order(entries, studies), listed)


def _mark_stale(site: Path, row: Mapping[str, Any], study: Study) -> None:
    """Says on the last good page of a run that failed since when it is out of date."""
    if row["good_since"]:
        page = site / row["href"]
        since = {"good": row["good_since"], "since": row["stale_since"]}
        write(page, pages.mark_stale(page.read_text("utf-8"), **since, language=study.language))


def _write_page(
    folder: Path,
    made: Made,
    context: pages.PageContext,
    rendering: str,
    earlier: Mapping[str, Any],
    customers: frozenset[str],
) -> dict[str, str]:
    """Writes a page and all that belongs to it, unless it would come out as it lies there.

    Returns the digests of what it is made from and of what was written.
    """
    slug, executed = made.outcome.job.slug, as_text(made.notebook)
    key = keys.digest([executed, asdict(context), rendering])
    if earlier.get("render_key") == key and earlier.get("page_digest") == _page_digest(folder, slug):
        return {"render_key": key, "page_digest": earlier["page_digest"]}
    page, data = pages.render_page(made.notebook, context)
    published = {**data, f"{slug}.html": page, f"{slug}.ipynb": executed, "findings.json": as_json(made.entries)}
    leaks.refuse_customers(published, customers)
    shutil.rmtree(folder / f"{slug}-data", ignore_errors=True)
    for name, text in data.items():
        write(folder / name, text)
    if context.executed_href:
        write(folder / context.executed_href, executed)
    (folder / f"{slug}.failed.html").unlink(missing_ok=True)
    write(folder / f"{slug}.html", page)
    return {"render_key": key, "page_digest": _page_digest(folder, slug)}


def _page_digest(folder: Path, slug: str) -> str:
    """The digest of a page with its files."""
    files = sorted([*folder.glob(f"{slug}.*"), *folder.glob(f"{slug}-data/*")])
    return keys.digest([[str(path.relative_to(folder)), file_digest(path)] for path in files])


def _run_row(made: Made, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """One line of the list of runs; after a failure it keeps pointing to the last good page."""
    outcome, job, now = made.outcome, made.outcome.job, made.recorded_at
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
        "stale_since": None,
        "failure_page": None,
    }
    if outcome.verdict == OK:
        return row
    if not (earlier and earlier["good_since"]):
        return row | {"good_since": None, "failure_page": f"{job.slug}.html"}
    return row | _stale(earlier) | {"failure_page": f"{job.slug}.failed.html"}


def _stale(earlier: Mapping[str, Any]) -> dict[str, Any]:
    """When the last good page was made, and since when it could not be made again."""
    since = earlier.get("stale_since") or now()
    return {"good_since": earlier["good_since"], "stale_since": since if earlier["good_since"] else None}


def _refused_rows(study: Study, problems: Sequence[str], before: Published) -> list[dict[str, Any]]:
    """The runs of a study whose data could not be read: its last good pages stay, marked."""
    message = "\n".join(problems)
    rows = [r for r in before.runs if r["study"] == study.name and r["slug"]]
    kept = [r | _stale(r) | {"state": REFUSED, "message": message} for r in rows]
    nothing = {"notebook": "", "slug": "", "title": study.title, "href": None, "seconds": 0.0, "peak_mib": 0}
    nothing |= dict.fromkeys(["good_since", "stale_since", "failure_page"])
    return kept or [nothing | {"study": study.name, "state": REFUSED, "message": message, "recorded_at": now()}]


def _context(made: Made, studies: Studies, *, siblings: Sequence[Job], flat: bool) -> pages.PageContext:
    job, study = made.outcome.job, studies[made.outcome.job.study]
    return pages.PageContext(
        study=study.name,
        study_title=study.title,
        title=job.notebook.question,
        caveats=tuple(study.caveats),
        simulated=study.simulated,
        siblings=() if flat else tuple((s.notebook.question, f"{s.slug}.html", s is job) for s in siblings),
        provenance=provenance.told(job, study, made.entries, studies=studies.path),
        audience=study.audience,
        index_href=None if flat else "../index.html",
        executed_href=f"{job.slug}.ipynb" if study.audience == "full" else None,
        data_folder=f"{job.slug}-data",
        language=study.language,
        narrative=languages.narrative(job.notebook.path.parent / study.language / f"{job.notebook.name}.md"),
        owner=study.owner,
        contact=study.contact,
    )


def _remember(site: Path, before: Published, after: Published, tables: news.Tables, studies: Studies) -> None:
    """Adds what changed to what the site remembers."""
    memory = news.read(site)
    items = news.compare(before.entries, after.entries, tables=(memory["tables"], tables))
    _write_news(site, news.remembered(memory, items, tables=tables, at=now()), studies)


def _write_news(site: Path, memory: Mapping[str, Any], studies: Studies) -> None:
    write(site / news.FILE, as_json(memory))
    write(site / news.FEED, news.feed(memory, titles={name: studies[name].title for name in studies}))


def _write_index(site: Path, now: Published, studies: Studies) -> None:
    """Writes the pages that belong to no study, and looks for secrets in all that will be published."""
    report = next((study.report for study in studies.studies.values()), ReportSettings())
    language, people = report.language, {"owner": report.owner, "contact": report.contact}
    told: dict[str, Any] = {"studies": _titles(studies, now), "language": language, **people}
    told["news"] = next(iter(news.read(site)["batches"]), None)
    claims = [hypothesis.as_dict() for hypothesis in hypotheses.REGISTER.values()]
    write(site / "index.html", pages.render_index(now.entries, claims, now.runs, **told))
    top = pages.top_level(language, owner=told["owner"], contact=told["contact"])
    for name, page in pages.render_guides(top).items():
        write(site / name, page)
    leaks.refuse_secrets(site, leaks.secrets(studies.path))


def _titles(studies: Studies, now: Published) -> dict[str, dict[str, Any]]:
    """Study -> title and labels, for the index."""
    shown = {r["study"] for r in now.runs}
    told = [studies[name] for name in studies if name in shown]
    return {s.name: {"title": s.title, "simulated": s.simulated, "caveats": s.caveats} for s in told}
