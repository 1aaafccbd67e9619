"""studies.toml: what is right opens, what is wrong is told with its place and the nearest right name, all at once."""

import string

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analysis import studies
from analysis.settings import ReportSettings, StudySettings, TableSettings
from analysis.tables import TABLES, SettingsError, TableError

SHOP = """
[study.shop]
title = "A shop"
[study.shop.tables.orders]
source = "orders.csv"
columns = { customer_id = "id", ordered_at = "day", amount = "total" }
"""
SURVEY = """
[study.poll]
title = "A poll"
[study.poll.tables.surveys]
source = "poll.csv"
scale = [1, 7]
missing = [98]
[study.poll.constructs]
satisfaction = ["q1", "-q2"]
recommend = ["nps"]
"""
NOTEBOOKS = {"10_orders": {"horizon_months": 24, "margin": 0.3, "order": "day"}, "20_stay": {"seed": 1}}


@pytest.fixture
def load(tmp_path):
    def load(text, **known):
        path = tmp_path / "studies.toml"
        path.write_text(text, encoding="utf-8")
        return studies.load(path, **known)

    return load


@pytest.fixture
def mistakes(load):
    def mistakes(text, **known):
        with pytest.raises(SettingsError) as refused:
            load(text, **known)
        return str(refused.value)

    return mistakes


# What is right


def test_the_bundled_studies_can_all_be_used(bundled):
    assert list(bundled) == ["cdnow", "telco", "renewals", "mobile", "reputation", "service", "club"]
    for name in bundled:
        assert bundled[name].check().problems == ()
        assert bundled[name].caveats
        assert bundled[name].simulated is (name in ("service", "club"))
        assert all(bundled[name].digests.values())


def test_what_the_bundled_contracts_are(bundled):
    """Rows, leavers and units as their sources give them (IBM sample; Fader & Hardie 2007)."""
    told = {}
    for name in ("telco", "renewals"):
        table = bundled[name].table("subscriptions")
        told[name] = (table.facts["rows"], table.rows.left.sum().to_pyarrow().as_py(), table.facts["unit"])
    assert told == {"telco": (7043, 1869, "month"), "renewals": (2000, 827 + 606, "year")}
    assert bundled["telco"].table("subscriptions").facts["cohort"] is False
    assert bundled["renewals"].table("subscriptions").facts["cohort"] is True


def test_a_study_says_its_own_settings_before_those_of_the_report(load):
    file = load('[report]\nmin_cell = 10\ncell_timeout = "90s"\n' + SHOP.replace('"A shop"', '"A shop"\nmin_cell = 3'))
    shop = file["shop"]
    assert (shop.min_cell, shop.cell_timeout, shop.report_timeout, shop.audience) == (3, 90, 1200, "full")
    assert (shop.title, shop.currency, shop.timezone) == ("A shop", None, "UTC")


def test_items_take_the_scale_nearest_to_them(load, tmp_path):
    (tmp_path / "poll.csv").write_text("q1,q2,nps\n1,98,11\n7,3,10\n")
    poll = load(SURVEY + "[study.poll.scales]\nnps = [0, 10]\n[study.poll.missing]\nrecommend = [11]\n")["poll"]
    answers = poll.table("surveys")
    assert answers.facts["scales"] == {"q1": (1, 7), "q2": (1, 7), "nps": (0, 10)}
    assert answers.rows.to_pyarrow().to_pylist()[0] == {"q1": 1.0, "q2": None, "nps": None}
    assert poll.constructs["satisfaction"] == ["q1", "-q2"]


def test_a_rule_on_a_flag_is_read(load):
    told = SHOP.replace('"total" }', '"total", returned = { column = "no", starts_with = "C" } }')
    rule = load(told)["shop"].settings.tables["orders"].columns["returned"]
    assert (rule.column, rule.starts_with) == ("no", "C")


def test_runs_and_parameters_are_handed_on(load):
    told = f"""{SHOP}
        [study.shop.parameters]
        margin = 1
        [study.shop.smallest_effects]
        R05 = 1.1
        R13 = {{ share = 0.1, gap = 0.02 }}
        [[study.shop.run]]
        notebook = "10_orders"
        name = "two-years"
        horizon_months = 24
    """
    shop = load(told, notebooks=NOTEBOOKS, hypotheses={"R05", "R13"})["shop"]
    assert shop.parameters == {"margin": 1}
    assert shop.smallest_effects == {"R05": 1.1, "R13": {"share": 0.1, "gap": 0.02}}
    assert [(run.notebook, run.name, run.parameters) for run in shop.runs] == [
        ("10_orders", "two-years", {"horizon_months": 24})
    ]


def test_the_file_is_found_upwards_or_by_the_environment(tmp_path, monkeypatch):
    (tmp_path / "studies.toml").write_text(SHOP)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.delenv("LOYALTY_STUDIES", raising=False)
    monkeypatch.chdir(tmp_path / "notebooks")
    assert studies.open_study("shop").folder == tmp_path.resolve()
    (tmp_path / "other.toml").write_text(SHOP.replace("study.shop", "study.other"))
    monkeypatch.setenv("LOYALTY_STUDIES", str(tmp_path / "other.toml"))
    assert studies.open_study("other").name == "other"
    assert studies.open_study("shop", tmp_path / "studies.toml").name == "shop"


def test_a_missing_file_or_study_is_told(tmp_path, monkeypatch, load):
    monkeypatch.delenv("LOYALTY_STUDIES", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"no studies\.toml here or in any folder above"):
        studies.open_study("shop")
    with pytest.raises(SettingsError, match=r'no studies file "nowhere\.toml"'):
        studies.open_study("shop", "nowhere.toml")
    with pytest.raises(SettingsError, match=r'no study "shp" in studies\.toml\. The nearest name is "shop"'):
        load(SHOP)["shp"]


def test_a_failing_table_does_not_stop_the_others(load, tmp_path):
    five = "".join(f"{number},2024-01-31,2\n" for number in range(5))
    (tmp_path / "orders.csv").write_text(f"id,day,total\n{five},2024-01-31,2\n")
    (tmp_path / "spells.csv").write_text("id,t,c\n1,-1,Yes\n")
    told = f"""{SHOP}
        [study.shop.tables.contacts]
        source = "none.csv"
        [study.shop.tables.subscriptions]
        source = "spells.csv"
        columns = {{ customer_id = "id", tenure = "t", churned = "c" }}
        tenure_unit = "day"
    """
    found = load(told)["shop"].check()
    assert [table.name for table in found.tables] == ["orders"]
    assert ['no file "none.csv"' in found.problems[0], "tenure is negative" in found.problems[1]] == [True, True]
    printed = str(found)
    assert "5 kept, 1 dropped: rows where customer_id is missing" in printed
    assert "tenure is negative" in printed


@pytest.mark.parametrize(
    ("amounts", "says"),
    [
        ([2, 3], None),
        ([2, 3, 0, -1, -2], "2 of 5 rows bring money in, 2 are below zero (returns), 1 are worth nothing"),
    ],
)
def test_lines_that_bring_no_money_are_told(load, tmp_path, amounts, says):
    rows = "".join(f"{number},2024-01-31,{amount}\n" for number, amount in enumerate(amounts))
    (tmp_path / "orders.csv").write_text(f"id,day,total\n{rows}")
    printed = str(load(SHOP)["shop"].check())
    assert says in printed if says else "bring money in" not in printed


def test_a_changed_file_is_refused(load, tmp_path):
    (tmp_path / "orders.csv").write_text("id,day,total\n1,2024-01-31,2\n")
    (tmp_path / "orders.toml").write_text(
        'title = "t"\none_row = "o"\nsource = "s"\nlicence = "l"\nrows = 1\nsha256 = "0"\n'
        'caveats = ["Mind."]\nsimulated = true'
    )
    shop = load(SHOP)["shop"]
    assert shop.caveats == ["Mind."]
    assert shop.simulated
    with pytest.raises(TableError, match="its digest differs"):
        shop.table("orders")


@pytest.mark.parametrize("told", ["", "simulated = true\n"])
def test_a_study_says_itself_what_no_file_can_say_for_it(load, told):
    """As one whose tables lie in an engine; what a file's description says comes beside it."""
    shop = load(SHOP.replace("[study.shop]", f'[study.shop]\n{told}caveats = ["One branch.", "Mind."]', 1))["shop"]
    assert shop.simulated is bool(told)
    assert shop.caveats == ["One branch.", "Mind."]


def test_a_table_the_study_does_not_bring(load):
    shop = load(SHOP)["shop"]
    assert shop.has("orders")
    assert not shop.has("surveys")
    with pytest.raises(SettingsError, match="has no table surveys; it has: orders"):
        shop.table("surveys")


# What is wrong


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title", "titel", 'study.shop.titel: there is no such key. Did you mean "title"?'),
        ("title", "titel", "study.shop.title: this key is required."),
        ("[study.shop]", "[studies.shop]", 'studies: there is no such key. Did you mean "study"?'),
        ("source =", "sourc =", 'study.shop.tables.orders.sourc: there is no such key. Did you mean "source"?'),
        ("tables.orders", "tables.order", 'study.shop.tables.order: there is no table "order". Did you mean "orders"?'),
        ("ordered_at", "orderd_at", 'columns: there is no column "orderd_at". Did you mean "ordered_at"?'),
        ('"day"', "5", "study.shop.tables.orders.columns.ordered_at: should be the name of a column"),
        ('"day"', '{ column = "x", starts_with = "C" }', "a rule can only stand for a yes/no column"),
        (
            '"A shop"',
            '"A shop"\ntimezone = "Europe/Berln"',
            'no time zone "Europe/Berln". Did you mean "Europe/Berlin"?',
        ),
        ('"A shop"', '"A shop"\nmin_cell = 0', "study.shop.min_cell: should be greater than or equal to 1, not 0."),
        ('"A shop"', '"A shop"\nmin_cell = "5"', "study.shop.min_cell: should be a valid integer, not '5'."),
        (
            '"A shop"',
            '"A shop"\ncell_timeout = "5 min"',
            "study.shop.cell_timeout: should be a time such as 90s, 5m or 1h",
        ),
        (
            '"A shop"',
            '"A shop"\naudience = "publik"',
            "study.shop.audience: should be 'full' or 'public', not 'publik'.",
        ),
        ('"A shop"', '"A shop"\nlanguage = "english"', 'language: there is no language "english". Did you mean "en"?'),
        ('"orders.csv"', '"o.csv"\nobserved_until = "2024-01-31"', "observed_until: should be a valid date"),
        ('"orders.csv"', '"o.csv"\ndate_format = "YYYY"', 'date_format: "YYYY" holds no % code'),
        ('"orders.csv"', '"o.csv"\ntenure_unit = "month"', "tenure_unit: it belongs to subscriptions"),
        ('"orders.csv"', '"o.csv"\ncovariates = ["x"]', "covariates: orders takes none"),
        ('"orders.csv"', '"o.csv"\nscale = [1, 7]', "scale and missing belong to surveys"),
        ('"orders.csv"', '"postgres://me:hunter2@host/shop"', "source: a password stands in the address"),
        (
            'source = "orders.csv"',
            'source = ["postgres://me:hunter2@host/shop"]',
            "orders.source: should be a valid string.",
        ),
        (
            "[study.shop.tables.orders]",
            "tables.orders = 'postgres://me:hunter2@host'\n[report]",
            "should be a table of keys",
        ),
        ("study.shop", "study.Shop", "study.Shop: should be made of small letters, digits, - and _"),
    ],
)
def test_a_mistake_is_told_with_its_place(mistakes, old, new, says):
    told = mistakes(SHOP.replace(old, new))
    assert says in told
    assert "hunter2" not in told


def test_everything_that_is_wrong_is_told_at_once(mistakes):
    told = mistakes(SHOP.replace("ordered_at", "orderd_at") + '[study.shop.constructs]\n[study.other]\ntitle = "x"\n')
    assert told.startswith("studies.toml has 1 mistake")  # shapes come before names
    told = mistakes(SHOP.replace("ordered_at", "orderd_at") + SURVEY + "[study.poll.scales]\nnqs = [10, 0]\n")
    assert told.startswith("studies.toml has 3 mistakes:")
    assert 'study.poll.scales: there is no item or construct "nqs". Did you mean "nps"?' in told
    assert "study.poll.scales.nqs: the low end comes first." in told


def test_no_toml(mistakes):
    assert "studies.toml cannot be read" in mistakes("[study.shop\n")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("[study.shop.parameters]\nmargni = 0.3", 'parameters: there is no parameter "margni". Did you mean "margin"?'),
        ('[study.shop.parameters]\nmargin = "high"', "parameters.margin: should be like its default 0.3, not 'high'"),
        ("[study.shop.parameters]\nhorizon_months = 2.5", "horizon_months: should be like its default 24, not 2.5"),
        ("[study.shop.parameters]\nmargin = [[1]]", "parameters.margin: should be a number, a text"),
        ('[study.shop.parameters]\napi_token = "x"', "a secret is no parameter"),
        ('[study.shop.parameters]\nstudy = "x"', "the run itself says which study it is"),
        (
            "[study.shop.smallest_effects]\nR50 = 1.1",
            'smallest_effects: there is no hypothesis "R50". Did you mean "R05"?',
        ),
        (
            '[study.shop.smallest_effects]\nR05 = "big"',
            "smallest_effects.R05: should be a number, or a table of numbers",
        ),
        ('[[study.shop.run]]\nnotebook = "10_order"', 'there is no notebook "10_order". Did you mean "10_orders"?'),
        (
            '[[study.shop.run]]\nnotebook = "10_orders"\nmargin = {}',
            "study.shop.run[1].margin: should be a number, a text",
        ),
        ("[[study.shop.run]]\nmargin = 1", "study.shop.run[1].notebook: this key is required."),
        ('[[study.shop.run]]\nnotebook = "20_stay"\nmargin = 0.3', 'no parameter "margin". Did you mean "seed"?'),
        (
            '[[study.shop.run]]\nnotebook = "20_stay"\nname = "A B"',
            "study.shop.run[1].name: should be made of small letters, digits, - and _",
        ),
        ('[[study.shop.run]]\nnotebook = "20_stay"\n' * 2, "study.shop.run[2].name: another run has the same"),
    ],
)
def test_names_from_elsewhere_are_checked(mistakes, more, says):
    assert says in mistakes(SHOP + more, notebooks=NOTEBOOKS, hypotheses={"R05"})


def test_parameter_names_alone_are_enough_to_check_names(mistakes, load):
    names = {"10_orders": {"margin"}}
    assert load(f"{SHOP}[study.shop.parameters]\nmargin = 'any'", notebooks=names)["shop"].parameters == {
        "margin": "any"
    }
    assert "Did you mean" in mistakes(f"{SHOP}[study.shop.parameters]\nmargni = 1", notebooks=names)


@pytest.mark.parametrize(
    ("columns", "more", "says"),
    [
        ('tenure = "t", churned = "c"', "", "tenure_unit: it is required with tenure"),
        ('started_at = "s", ended_at = "e"', "", "observed_until: it is required with ended_at"),
        (
            'tenure = "t", churned = "c"',
            'tenure_unit = "months"',
            "tenure_unit: should be 'day', 'week', 'month' or 'year'",
        ),
        ('plan = "p"', 'covariates = ["Plan"]', 'covariates: "Plan" is taken by a column of subscriptions'),
        ('plan = "p"', 'covariates = ["time"]', 'covariates: "time" is taken'),
    ],
)
def test_keys_that_need_each_other(mistakes, columns, more, says):
    told = (
        f'[study.s]\ntitle = "S"\n[study.s.tables.subscriptions]\nsource = "s.csv"\ncolumns = {{ {columns} }}\n{more}\n'
    )
    assert says in mistakes(told)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("[study.poll.missing]\nq3 = [9]", 'missing: there is no item or construct "q3"'),
        ('[[study.poll.pairs]]\ndimension = "d"\nperception = ["p1", "p2"]\nexpectation = ["e1"]', "pairs[1]: each"),
        ('[[study.poll.pairs]]\ndimension = "d"\nperception = ["p1"]', "pairs[1]: each expectation level"),
        ('[[study.poll.pairs]]\ndimension = "d"', "study.poll.pairs[1].perception: this key is required."),
    ],
)
def test_surveys_must_hang_together(mistakes, more, says):
    assert says in mistakes(SURVEY + more)


def test_surveys_need_items(mistakes):
    assert "surveys need constructs" in mistakes(SURVEY.split("[study.poll.constructs]")[0])


# --- schedules, notices, owners

SCHEDULE = (
    SHOP
    + """
[study.shop.schedule]
cron = "0 6 * * 1"
notify = ["ops"]
[notify.ops]
reader = "owner"
webhook = "https://chat.example.org/${KEY}"
"""
)


def test_a_schedule_keeps_to_the_study_s_time_zone_unless_it_names_its_own(load):
    zone = SCHEDULE.replace('title = "A shop"', 'title = "A shop"\ntimezone = "Asia/Tehran"')
    assert load(zone)["shop"].schedule.timezone == "Asia/Tehran"
    own = zone.replace('cron = "0 6 * * 1"', 'cron = "0 6 * * 1"\ntimezone = "Europe/Berlin"')
    assert load(own)["shop"].schedule.timezone == "Europe/Berlin"
    told = load(SCHEDULE)["shop"].schedule
    assert (told.catch_up, told.retries, told.back_off) == ("latest", 2, "10m")
    assert load(SHOP)["shop"].schedule is None


def test_an_owner_of_the_file_may_be_another_for_a_study(load):
    text = '[report]\nowner = "Ann"\ncontact = "ann@example.org"\n' + SHOP
    shop = load(text)["shop"]
    assert (shop.owner, shop.contact) == ("Ann", "ann@example.org")
    assert load(text.replace('title = "A shop"', 'title = "A shop"\nowner = "Bob"'))["shop"].owner == "Bob"
    assert load(SHOP)["shop"].owner is None


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        (
            '"0 6 * * 1"',
            '"0 6 * *"',
            "study.shop.schedule.cron: should have five fields: minute, hour, day of the month",
        ),
        ('"0 6 * * 1"', '"0 25 * * 1"', "study.shop.schedule.cron: should be a cron expression (wrong hour)"),
        ('"0 6 * * 1"', '"@daily"', "Mondays at six in the morning are 0 6 * * 1"),
        ("cron =", "corn =", 'study.shop.schedule.corn: there is no such key. Did you mean "cron"?'),
        ("notify = [", "catch_up = 3\nnotify = [", "study.shop.schedule.catch_up: should be 'latest', 'all' or 'none'"),
        ("notify = [", "retries = -1\nnotify = [", "study.shop.schedule.retries: should be greater than or equal to 0"),
        ("notify = [", 'back_off = "soon"\nnotify = [', "study.shop.schedule.back_off: should be a time such as 90s"),
        ("notify = [", 'timezone = "Asia/Teheran"\nnotify = [', 'Did you mean "Asia/Tehran"?'),
        ('["ops"]', '["opps"]', 'study.shop.schedule.notify: there is no [notify.NAME] "opps". Did you mean "ops"?'),
        ("reader =", "raeder =", 'notify.ops.raeder: there is no such key. Did you mean "reader"?'),
        ('"owner"', '"everybody"', "notify.ops.reader: should be 'owner' or 'audience'"),
        ("webhook =", 'command = ["true"]\nwebhook =', "notify.ops: give one of webhook, smtp or command."),
        ("webhook = ", 'smtp = "smtp://localhost"\n#', "notify.ops: smtp, sender and to belong together."),
        ("https://chat", "ftp://chat", "notify.ops.webhook: the address should start with https:// or http://."),
        (
            "${KEY}",
            "T02AB9XYZ/b7Qk29LmZx81PpWq55Rt",
            "notify.ops.webhook: a secret stands in the address. Write ${NAME}",
        ),
        ("https://", "https://me:word@", "notify.ops.webhook: a secret stands in the address."),
        ('webhook = "https:', 'command = ["tell", "--token=abc"]\n#"', "notify.ops.command: a secret stands in it."),
    ],
)
def test_what_is_wrong_with_a_schedule_or_a_notice_is_told(mistakes, right, wrong, says):
    assert says in mistakes(SCHEDULE.replace(right, wrong, 1))


def test_a_long_name_of_a_host_or_of_a_variable_is_no_secret(load):
    for address in ("https://notification-service-2026.example.org/reports", "https://a.org/${A_LONG_NAME_OF_2026}"):
        assert load(SCHEDULE.replace("https://chat.example.org/${KEY}", address)).notify["ops"].webhook == address


def test_no_secret_is_repeated_in_a_message(mistakes):
    told = mistakes(SCHEDULE.replace("${KEY}", "b7Qk29LmZx81PpWq55Rt"))
    assert "b7Qk29LmZx81PpWq55Rt" not in told


KEYS = [
    *(("report", key) for key in ReportSettings.model_fields),
    *(("study.shop", field.alias or key) for key, field in StudySettings.model_fields.items()),
    *(("study.shop.tables.orders", key) for key in TableSettings.model_fields),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KEYS), st.data())
def test_a_misspelt_key_is_always_answered_with_the_right_one(load, key, data):
    """One letter more in a key never passes, and the key that was meant is offered."""
    table, name = key
    place = data.draw(st.integers(1, len(name)))
    wrong = name[:place] + data.draw(st.sampled_from(string.ascii_lowercase)) + name[place:]
    assume((table, wrong) not in KEYS)
    with pytest.raises(SettingsError) as refused:
        load(
            f"{SHOP}\n[{table}]\n{wrong} = 1\n"
            if table == "report"
            else SHOP.replace(f"[{table}]", f"[{table}]\n{wrong} = 1")
        )
    assert f'{table}.{wrong}: there is no such key. Did you mean "{name}"?' in str(refused.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted({(table.name, name) for table in TABLES.values() for name in table.names})), st.data())
def test_a_misspelt_column_is_always_answered_with_a_right_one(load, column, data):
    table, name = column
    wrong = name + data.draw(st.sampled_from("xyz"))
    text = f'[study.s]\ntitle = "S"\n[study.s.tables.{table}]\nsource = "s.csv"\ncolumns = {{ {wrong} = "c" }}\n'
    with pytest.raises(SettingsError) as refused:
        load(text)
    assert f'study.s.tables.{table}.columns: there is no column "{wrong}". Did you mean "{name}"?' in str(refused.value)
