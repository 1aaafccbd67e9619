"""Makes the runs of a report: takes those whose result is at hand, executes the others, completes their findings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis import findings, keys, notebooks, provenance, runs
from analysis.cluster import ClusterRunner
from analysis.publishing import write
from analysis.runs import OK, Job, Outcome, Runner
from analysis.state import State
from analysis.studies import Studies, Study

Entry = dict[str, Any]


@dataclass
class Published:
    """The findings and the list of runs of a site."""

    entries: list[Entry]
    runs: list[dict[str, Any]]

    @classmethod
    def read(cls, site: Path) -> Published:
        """What a site holds; nothing where there is none."""
        listed = site / "runs.json"
        known = json.loads(listed.read_text("utf-8")) if listed.exists() else []
        return cls(findings.read(site / "findings.json"), known)

    def write(self, site: Path) -> None:
        """Writes both lists into a site."""
        write(site / "findings.json", as_json(self.entries))
        write(site / "runs.json", as_json(self.runs))

    def run(self, study: str, slug: str) -> dict[str, Any] | None:
        """The row of a run; None when it is not there."""
        return next((r for r in self.runs if (r["study"], r["slug"]) == (study, slug)), None)

    def of_run(self, study: str, slug: str) -> list[Entry]:
        """The findings of a run."""
        return [e for e in self.entries if (e["study"], e["run"]) == (study, slug)]


def as_json(rows: Any) -> str:
    """A list of entries, or what is remembered of them, as the site's files hold it."""
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Made:
    """A run with its outcome; where that is good, the executed notebook and the findings, completed.

    Attributes:
        recorded_at: when it ran (UTC).
    """

    outcome: Outcome
    recorded_at: str
    notebook: Any = None
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class _Asked:
    """A run that is asked for: what it is made from, the result at hand or None, and why it is due."""

    recipe: keys.Recipe
    kept: keys.Kept | None
    why: list[str]


class Making:
    """A report being made: runs what is due, takes what is at hand, and keeps what is new.

    Attributes:
        unsettled: whether anything was read that no key knows, so that the next report must look again.
        notes: what the reader of the terminal should know.
    """

    def __init__(self, studies: Studies, before: Published, state: State, *, fresh: bool = False) -> None:
        self.studies, self.before, self.state, self.fresh = studies, before, state, fresh
        provenance.commit.cache_clear()  # a schedule makes many reports in one process
        self.recipes = keys.Recipes(runs.KERNEL, also=[studies.path.resolve(), *provenance.heads()])
        self.recipes.watch.tree(notebooks.FOLDER)
        self.unsettled = False
        self.notes: list[str] = []

    def ask(self, job: Job, known: Sequence[Entry] = ()) -> _Asked:
        """Looks whether the result of a run is at hand."""
        recipe = self.recipes.of(job, self.studies[job.study], known)
        kept = None if self.fresh or not recipe.key else keys.find(self.state, recipe)
        self.unsettled |= not recipe.key
        why = [] if kept else ["it was asked for"] if self.fresh else keys.why(self.state, recipe)
        return _Asked(recipe, kept, why)

    def all(
        self, jobs: Sequence[Job], *, folder: Path, workers: int, progress: runs.Told, cluster: str = ""
    ) -> list[Made]:
        """Makes the runs; those that read findings come last and see what the others found."""
        first = [self.ask(job) for job in jobs if not job.notebook.runs_last]
        with runner_in(folder, self.studies, workers=workers, told=progress, cluster=cluster) as runner:
            made = self._some(first, runner)
            known = self.known(made)
            last = [self.ask(job, known) for job in jobs if job.notebook.runs_last]
            return made + self._some(last, reading(known, runner))

    def _some(self, asked: Sequence[_Asked], runner: Runner) -> list[Made]:
        due = {a.recipe.job: a for a in asked if not a.kept}
        for a in asked:
            if a.kept:
                runner.told(a.recipe.job, "unchanged", 1, 1)
        runner.ended = lambda outcome: self._ended(due[outcome.job], outcome)
        ended = {outcome.job: outcome for outcome in runner.run(list(due))}
        return [self.complete(a, ended.get(a.recipe.job)) for a in asked]

    def complete(self, asked: _Asked, outcome: Outcome | None = None) -> Made:
        """A run with all that only the runner knows; without an outcome it is the one at hand."""
        if outcome is None and asked.kept:
            outcome = Outcome(asked.recipe.job, OK, seconds=asked.kept.seconds, peak_mib=asked.kept.peak_mib)
        assert outcome is not None
        return complete(outcome, self.studies[outcome.job.study], self.before, asked.kept)

    def _ended(self, asked: _Asked, outcome: Outcome) -> None:
        """Keeps a good result at once, so that a report that is stopped goes on from there; notes what it read."""
        job, study = outcome.job, self.studies[outcome.job.study]
        assert outcome.executed is not None
        unknown = self.recipes.undeclared(job, study, outcome.executed.with_suffix(".opened"))
        self.unsettled |= bool(unknown)
        if unknown:
            what = f"{job.study} · {job.slug} read {', '.join(unknown)}, which no table of the study names"
            self.notes.append(f"{what}: it will run every time.")
        if outcome.verdict == OK and not unknown and self.recipes.watch.changed() is None:
            text = as_text(read(outcome.executed))
            keys.keep(self.state, asked.recipe, keys.Kept(text, now(), outcome.seconds, outcome.peak_mib))
        keys.remember(self.state, asked.recipe, outcome.verdict)
        line = {"study": job.study, "slug": job.slug, "verdict": outcome.verdict, "why": asked.why}
        seconds = {"seconds": round(outcome.seconds, 1), "cpu_seconds": outcome.cpu_seconds}
        where = {"peak_mib": outcome.peak_mib, "kernel": outcome.kernel}
        self.state.write_log(**line, **seconds, **where, key=asked.recipe.key, undeclared=unknown)

    def known(self, made: Sequence[Made]) -> list[Entry]:
        """The findings of the runs made now, and of all others what is published."""
        good = {(m.outcome.job.study, m.outcome.job.slug) for m in made if m.outcome.verdict == OK}
        others = [e for e in self.before.entries if (e["study"], e["run"]) not in good]
        return in_order([e for m in made for e in m.entries] + others, self.studies)


def runner_in(folder: Path, studies: Studies, *, workers: int, told: runs.Told, cluster: str = "") -> Runner:
    """A runner, of a cluster if given, whose notebooks see these studies, and findings that lie in its folder."""
    environment = {"LOYALTY_STUDIES": str(studies.path.resolve()), "LOYALTY_FINDINGS": str(folder / "findings.json")}
    if cluster:
        return ClusterRunner(cluster, folder=folder, environment=environment, told=told)
    return Runner(workers=workers, folder=folder, environment=environment, told=told)


def reading(known: list[Entry], runner: Runner) -> Runner:
    """The same runner, whose notebooks now read these findings."""
    (runner.folder / "findings.json").write_text(as_json(known), "utf-8")
    return runner


def now() -> str:
    """The time (UTC), to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(executed: Path) -> Any:
    """An executed notebook, cleaned."""
    import nbformat

    return runs.clean(nbformat.read(executed, as_version=4))


def as_text(notebook: Any) -> str:
    """A notebook as its file holds it."""
    import nbformat

    return str(nbformat.writes(notebook))


def complete(outcome: Outcome, study: Study, before: Published, kept: keys.Kept | None = None) -> Made:
    """A run with its findings and all that only the runner knows of them."""
    import nbformat

    job, recorded = outcome.job, kept.recorded_at if kept else now()
    if outcome.verdict != OK:
        return Made(outcome, recorded)
    assert kept or outcome.executed
    notebook = nbformat.reads(kept.notebook, as_version=4) if kept else read(outcome.executed or Path())
    _tell_anew(notebook, job)
    shared = {
        "notebook": job.notebook.name,
        "run": job.slug,
        "parameters": job.effective,
        "data_digest": keys.digest(study.digests),
        "versions": provenance.versions(),
        "recorded_at": recorded,
    }
    earlier = {(e["hypothesis"], e["reading"]): e for e in before.of_run(job.study, job.slug)}
    entries = [
        _with_changes(entry | shared, job, earlier.get((entry["hypothesis"], entry["reading"])))
        for entry in runs.entries_of(notebook)
    ]
    _put_back(notebook, entries)
    return Made(outcome, recorded, notebook, entries)


def _tell_anew(notebook: Any, job: Job) -> None:
    """Puts the prose as it reads now around the code as it was executed, papermill's own cell behind the parameters."""
    import nbformat

    executed = [cell for cell in notebook.cells if cell.cell_type == "code"]
    told = []
    for cell in nbformat.read(job.notebook.path, as_version=4).cells:
        told.append(executed.pop(0) if cell.cell_type == "code" else cell)
        if executed and "injected-parameters" in executed[0].metadata.get("tags", []):
            told.append(executed.pop(0))
    notebook.cells = told
    runs.clean(notebook)


def in_order(entries: list[Entry], studies: Studies) -> list[Entry]:
    """The findings in the order of the studies file, with one headline for each claim and study."""
    order = {name: place for place, name in enumerate(studies)}
    return _one_headline(sorted(entries, key=lambda e: (order.get(e["study"], len(order)), e["run"])))


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


def _put_back(notebook: Any, entries: Iterable[Entry]) -> None:
    """Puts the completed findings into the notebook's outputs, less the time: same inputs, same bytes."""
    timeless = ("recorded_at", "first_run")
    complete = iter([{k: v for k, v in e.items() if k not in timeless} for e in entries])
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if recorded := output.get("data", {}).get(findings.MIME):
                recorded["entries"] = [next(complete) for _ in recorded["entries"]]
