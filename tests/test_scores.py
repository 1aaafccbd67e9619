"""Scores: written whole or not at all, for their owner alone, where they were asked for and nowhere else."""

import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented import orders
from small_business import identity, invented
from test_customer_value import END, log

from analysis import cli, customers, equity, prospects, report, runs, scores
from analysis.buying import WEEK, history
from analysis.estimates import NotTestable
from analysis.tables import LoyaltyError, TableError

NOTEBOOK = "22_what_a_customer_is_worth"
KEYS = ["repeats"]


def asked(folder: Path, *more: str, notebook: str = NOTEBOOK, to: str = "scores.parquet") -> int:
    studies = ["--study", "small", "--studies", str(folder / "studies.toml")]
    return cli.main(["scores", notebook, *studies, "--to", str(folder / to), *more])


# --- The command ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder after `loyalty scores` under a permissive umask, and all that the run left while it ran."""
    folder, seen = tmp_path_factory.mktemp("scored"), []
    invented(folder)

    class Watched(runs.Runner):
        def run(self, jobs):
            outcomes = super().run(jobs)
            seen.extend(path.read_text("utf-8") for path in self.folder.rglob("*") if path.is_file())
            return outcomes

    before = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(report, "Runner", Watched)
            code = asked(folder, "-p", "horizon_months=12", "-p", "family=BG/NBD")
    finally:
        os.umask(before)
    return folder, code, seen


def test_the_file_is_whole_and_its_owners_alone(written):
    folder, code, _ = written
    assert code == 0
    assert stat.S_IMODE((folder / "scores.parquet").stat().st_mode) == 0o600
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_every_customer_has_one_row_that_names_model_and_horizon(written):
    table = pd.read_parquet(written[0] / "scores.parquet")
    assert sorted(table["customer_id"]) == [identity(number) for number in range(300)]
    assert set(table["model"]) == {"BG/NBD"}
    assert table["weeks"].unique() == pytest.approx([365.25 / 7])
    for name in ("orders", "value"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()


def test_no_customer_is_named_in_the_executed_notebook_or_the_log(written):
    _, _, seen = written
    assert any("300 customers can be scored" in text for text in seen)
    assert not [text for text in seen if "ZQ-" in text or "scores.parquet" in text]


def test_a_run_that_fails_leaves_the_old_file_as_it_was(tmp_path, monkeypatch, capsys):
    invented(tmp_path)
    old = tmp_path / "scores.parquet"
    old.write_text("the last good ones")

    class Failing(runs.Runner):
        def run(self, jobs):
            Path(self.environment[scores.PLACE]).write_text("half a table")
            return [runs.Outcome(jobs[0], runs.FAILED, message="It broke.")]

    monkeypatch.setattr(report, "Runner", Failing)
    assert asked(tmp_path) == cli.SOME_FAILED
    assert "It broke." in capsys.readouterr().err
    assert old.read_text() == "the last good ones"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("site/scores.parquet", "report folder"),
        ("site/small/deeper/scores.parquet", "report folder"),
        (".site.builds/000001/scores.parquet", "report folder"),
        ("scores.csv", "something.parquet"),
        ("nowhere/scores.parquet", "no such folder"),
        ("folder.parquet", "that is a folder"),
    ],
)
def test_a_place_that_scores_may_not_have(tmp_path, to, told, capsys):
    invented(tmp_path)
    for folder in ("site/small/deeper", ".site.builds/000001", "folder.parquet"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "site/findings.json").write_text("[]")
    assert asked(tmp_path, to=to) == cli.NOTHING_RUN
    message = capsys.readouterr().err
    assert told in message
    assert "Nothing was run" in message


def test_reports_is_refused_by_its_name_and_through_a_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("reports").mkdir()
    Path("elsewhere").symlink_to("reports")
    for to in ("reports/x.parquet", "elsewhere/x.parquet"):
        with pytest.raises(LoyaltyError, match="report folder"), scores.unfinished(Path(to)):
            pass


def test_a_notebook_without_scores_names_those_that_have_them(tmp_path, capsys):
    invented(tmp_path)
    assert asked(tmp_path, notebook="10_what_the_data_hold") == cli.WRONG_COMMAND
    message = capsys.readouterr().err
    assert "has no scores" in message
    assert "21_who_will_buy_again, 22_what_a_customer_is_worth" in message
    assert asked(tmp_path, "-p", "horizon_month=12") == cli.WRONG_COMMAND
    assert "horizon_months" in capsys.readouterr().err


def test_no_other_run_hears_of_a_place(tmp_path, monkeypatch):
    monkeypatch.setenv(scores.PLACE, "somewhere")
    assert scores.PLACE not in runs.Runner(workers=1, folder=tmp_path, environment={}, told=print).environment


# --- The contents -----------------------------------------------------------------------------------------------


@pytest.fixture
def bought():
    table = orders([(*row[:2], row[3]) for row in log(people=300)], until=str(END))
    return customers.purchases(table)


def scored(offer, bought, tmp_path, monkeypatch) -> pd.DataFrame:
    """What an offer writes, beside each customer's history worked out with pandas."""
    monkeypatch.setenv(scores.PLACE, str(tmp_path / "x.parquet"))
    offer()
    days = bought.rows.select("customer_id", "age", "followed_days", "amount").to_pandas().sort_values("age")
    people = days.groupby("customer_id")
    table = pd.DataFrame({"repeats": people.size() - 1, "last": people["age"].max(), "first": people["amount"].first()})
    table["observed"], spent = people["followed_days"].max() / WEEK, people["amount"].sum() - table["first"]
    table = table.assign(last=table["last"] / WEEK, mean=(spent / table["repeats"]).fillna(0)).astype(float)
    return pd.read_parquet(tmp_path / "x.parquet").set_index("customer_id").join(table, validate="1:1")


def test_scores_are_what_the_models_say_of_each_history(bought, tmp_path, monkeypatch):
    told = {"family": "Pareto/NBD", "horizon_months": None, "annual_discount_rate": 0.1, "margin": 0.5}
    page = equity.look(bought, **told, hold_out_share=0.5, currency=None, draws=9, seed=1)
    table = scored(lambda: equity.scores(page), bought, tmp_path, monkeypatch)
    found = page.valuation
    assert len(table) == 300
    assert table["alive"].to_numpy() == pytest.approx(found.fit.model.alive(table), rel=1e-9)
    values = found.on_rows(table)
    assert table["discounted_orders"].to_numpy() == pytest.approx(
        found.fit.model.discounted(table, rate=found.terms.rate), rel=1e-9
    )
    # Means were rounded to a millionth.
    assert table["value"].to_numpy() == pytest.approx(values[0], rel=1e-6)
    assert table["value_high"].to_numpy() == pytest.approx(found.between(values)["high"], rel=1e-4)
    assert np.isinf(table["weeks"]).all()


def test_a_forecast_is_scored_as_of_the_last_day(bought, tmp_path, monkeypatch):
    outlook = prospects.look_ahead(bought, families=["Pareto/NBD"], share=0.5, draws=9, seed=1)
    table = scored(lambda: prospects.scores(outlook), bought, tmp_path, monkeypatch)
    model = prospects.fit_buying(
        table[["repeats", "last", "observed"]].assign(weight=1.0), type(outlook.lead[1].model)
    ).model
    assert history(table)[2].max() > outlook.rows["observed"].max()
    assert table["orders"].to_numpy() == pytest.approx(model.expected(table, outlook.weeks), rel=1e-4)


def test_without_a_place_nothing_is_written_and_without_scores_the_run_is_refused(bought, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(scores.PLACE, raising=False)
    rows = pd.DataFrame({"repeats": [0, 1], "alive": [0.1, 0.2]})
    people = bought.rows.group_by("customer_id").agg(repeats=bought.rows.count() - 1)
    assert "300 customers can be scored: alive." in scores.offer(people, rows, keys=KEYS).text
    assert "p1" not in scores.offer(people, rows, keys=KEYS).text
    assert list(tmp_path.iterdir()) == []
    assert scores.offer(people, NotTestable("Too few."), keys=KEYS).text == "No customer can be scored. Too few."
    monkeypatch.setenv(scores.PLACE, str(tmp_path / "x.parquet"))
    with pytest.raises(TableError, match="Too few"):
        scores.offer(people, NotTestable("Too few."), keys=KEYS)
