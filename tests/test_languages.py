"""The Persian edition: every template can be filled, every claim and narrative is told, nothing Latin is turned."""

import ast
import html
import json
import re
import tomllib
from pathlib import Path

import pytest

from analysis import guides, hypotheses, languages, pages, report, studies, words
from analysis.exhibits import Figure, claimed, shortened
from analysis.hypotheses.rules import Compound
from analysis.notebooks import catalogue
from analysis.tables import TABLES

ROOT = Path(__file__).parents[1]
PERSIAN = languages.edition("fa")
FILES = sorted((languages.FOLDER / "fa").glob("*.toml"))
ISOLATE, END = "\u2066", "\u2069"


def plain(text):
    """A text without the marks that keep numbers and names from left to right."""
    return text.replace(ISOLATE, "").replace(END, "")


# --- The catalogue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_template_can_be_filled_and_is_written_in_persian_letters(file):
    for english, persian in tomllib.loads(file.read_text("utf-8")).items():
        parts = [f"<{place}>" for place in range(len(re.findall(r"\{[nc]?\}", english)))]
        filled = persian.format(*parts) if parts else persian
        assert all(part in filled for part in parts), f"{english!r} loses a part"
        assert not re.search("[يك]", persian), f"{english!r}: Arabic letters for Persian ones"


def texts_of(row):
    yield row.claim
    yield row.estimand
    yield row.rule.text(row.unit)
    told = claimed(row.id)
    yield from (told.text, told.after, *(text for point in told.points for text in point))
    if isinstance(row.rule, Compound):
        for name, part in row.rule.parts.items():
            yield from (part.estimand, row.rule.label(name))


@pytest.mark.parametrize("row", hypotheses.REGISTER.values(), ids=lambda row: row.id)
def test_every_claim_is_told_in_persian(row):
    left = [text for text in texts_of(row) if text and PERSIAN.known(" ".join(text.split()))[1]]
    assert not left


def test_what_a_number_on_the_board_measures_is_told_in_persian():
    bare = [unit for unit in words.UNITS if words.quantity(0.5, unit)[-1].isdigit() and unit not in ("sd", "money")]
    assert "correlation" in bare
    assert not [unit for unit in (*bare, "standard deviations") if PERSIAN.known(unit)[1]]


def test_the_guides_are_told_in_persian():
    told = [text for term in guides.terms() for text in (term.name, term.meaning)]
    assert not [text for text in told if PERSIAN.known(text)[1]]


def reasons(module):
    """The texts of a module that stand in place of an answer, which no bundled study may ever show."""
    for call in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("NotTestable", "need", "instead"):
            said = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            yield from (text.replace("{}", "7") for text in said)


@pytest.mark.parametrize("module", sorted(Path(languages.__file__).parent.glob("*.py")), ids=lambda file: file.stem)
def test_every_reason_is_told_in_persian(module):
    """Those that hold numbers or names are not seen here: the words around them come apart in the source."""
    assert not [text for text in reasons(module) if PERSIAN.known(text)[1]]


# --- Numbers, dates and directions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "persian"),
    [
        ("23,570", "۲۳٬۵۷۰"),
        ("-1.5%", "−۱٫۵٪"),
        ("+5.0 points (1.2 to 8.8 points)", "+۵٫۰ (۱٫۲ تا ۸٫۸) واحد درصد"),
        ("12 to 15 USD", "۱۲ تا ۱۵ دلار"),
        ("3 of 101 claims", "۳ از ۱۰۱ ادعا"),
        ("2 supported, 1 contradicted and 3 not testable", "۲ تأییدشده، ۱ ردشده و ۳ آزمون‌ناپذیر"),
        # 20 March 1997 was the eve of the Persian new year, 30 March 2000 the 11th of its first month.
        ("1997-03-20", "۱۳۷۵/۱۲/۳۰"),
        ("2000-03-30", "۱۳۷۹/۰۱/۱۱"),
        # A Gregorian month is no Persian one, so it keeps its name.
        ("1997-01", "ژانویهٔ ۱۹۹۷"),
        ("Mar 1997", "مارس ۱۹۹۷"),
    ],
)
def test_numbers_and_dates_are_written_as_in_persian(english, persian):
    assert plain(PERSIAN.text(english)) == persian


def test_what_stands_in_brackets_goes_as_one():
    """Else the first "to", which is the interval's, would be taken for the one between then and now."""
    moved = "Was supported, is contradicted; from 5.0 points (1.2 to 8.8 points) to 3.0 points (1.0 to 7.0 points)."
    assert plain(PERSIAN.text(moved)) == (
        "پیش‌تر «تأیید شد» بود، اکنون «رد شد» است؛ از ۵٫۰ (۱٫۲ تا ۸٫۸) واحد درصد به ۳٫۰ (۱٫۰ تا ۷٫۰) واحد درصد رسید."
    )


def test_code_is_kept_and_what_joins_it_is_not():
    told = plain(PERSIAN.text("Needs margin, annual_revenue and acquisition_cost: set them for the study."))
    assert told == "به margin، annual_revenue و acquisition_cost نیاز دارد: برای مطالعه تعیینشان کنید."
    each = plain(PERSIAN.text("orders 12 read; surveys 3 read"))
    assert each == "orders: ۱۲ ردیف خوانده شد؛ surveys: ۳ ردیف خوانده شد"


@pytest.mark.parametrize(
    "name", ["BG/NBD", "sha256 3a59389af9f81c6f", "loyalty run x --study y", "Fiber optics", "rate = 0.5, days = 90"]
)
def test_what_no_catalogue_knows_stays_as_it_is(name):
    assert PERSIAN.text(name) == name


def test_signs_and_names_keep_to_themselves_among_persian_words():
    assert PERSIAN.text("How R05 was judged") == f"{ISOLATE}R05{END} چگونه داوری شد"
    assert f"{ISOLATE}+۱۸٫۷٪{END}" in PERSIAN.text("Plus 5 points raise the yearly contribution by +18.7%, below the "
                                                    "claimed range")  # fmt: skip


def test_what_is_persian_already_is_left_alone():
    once = PERSIAN.text("How R05 was judged")
    assert PERSIAN.text(once) == once


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_a_page_is_turned_and_its_code_and_markup_are_not():
    page = (
        '<html lang="en"><style>p { color: red }</style><p class="no" title="All verdicts">All verdicts</p>\n'
        "<pre>yes = 1</pre><code>yes</code><td>23.5%</td><p>Tom &amp; <b>yes</b></p>"
    )
    assert plain(PERSIAN.page(page)) == (
        '<html lang="fa" dir="rtl"><style>p { color: red }</style><p class="no" title="همهٔ حکم‌ها">همهٔ حکم‌ها</p>\n'
        "<pre>yes = 1</pre><code>yes</code><td>۲۳٫۵٪</td><p>Tom &amp; <b>بله</b></p>"
    )


def test_data_cannot_become_markup_by_being_translated():
    assert "<script>" not in PERSIAN.page("<p>yes: &lt;script&gt;</p>")


def english_left(page):
    """The visible texts of a Persian page in which English words are left, less code and where the page comes from."""
    told = re.sub('<details class="provenance">.*?</details>', "", page, flags=re.DOTALL)
    texts = [html.unescape(text) for text in languages.MARKUP.sub("\0", told).split("\0")]
    texts += [html.unescape(said[1]) for said in re.findall(r'\b(alt|aria-label|title|data-heading)="([^"]*)"', told)]
    words = {text: [w for w in languages.WORD.findall(text) if not languages.NAME.fullmatch(w)] for text in texts}
    return {text.strip(): found for text, found in words.items() if found}


def test_the_guides_have_no_english_left():
    context = pages.top_level("fa", owner=None, contact=None)
    for name, page in pages.render_guides(context).items():
        assert set(map(tuple, english_left(page).values())) <= {("p",)}, name


def test_a_page_of_a_bundled_study_has_no_english_left(tmp_path):
    """Names stay: of the study, of the authors of its data, and of tables that would have to be brought."""
    file = tmp_path / "studies.toml"
    text = (ROOT / "studies.toml").read_text("utf-8").replace('"data/raw', f'"{ROOT}/data/raw')
    file.write_text(text.replace('language = "en"', 'language = "fa"'), "utf-8")
    loaded = studies.load(file)
    report.run_one(
        loaded["renewals"], catalogue()["10_what_the_data_hold"], parameters={}, out=tmp_path / "out", studies=loaded,
        progress=lambda *_: None,
    )  # fmt: skip
    page = (tmp_path / "out/10_what_the_data_hold.html").read_text("utf-8")
    assert '<html lang="fa" dir="rtl">' in page
    names = {"Renewals", "Fader", "Hardie", "How", "to", "Project", "Customer", "Retention", "Journal", "of",
             "Interactive", "Marketing", *TABLES, "r", "a", "b", "s", "p"}  # fmt: skip
    assert not {text: found for text, found in english_left(page).items() if set(found) - names}


# --- Figures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def persian_figures():
    languages.speak("fa")
    yield
    languages.speak("en")


@pytest.mark.usefixtures("persian_figures")
def test_a_figure_speaks_persian_down_to_its_ticks():
    import matplotlib as mpl
    import pandas as pd

    drawn = []

    def draw(canvas, phone):
        ax = canvas.subplots()
        ax.plot([0, 1], [0, 1])
        ax.set(xlabel="Months since becoming a customer", yticks=[])
        ax.set_xticks([0, 1], ["0%", "yes"])
        ax.set_title(shortened("all customers"))
        drawn.append(ax)

    Figure(name="x", title="x", alt="x", data=pd.DataFrame(), draw=draw).png()
    (ax,) = drawn
    assert ax.get_xlabel() == "ماه از مشتری شدن"
    assert ax.get_title() == "همهٔ مشتریان"
    assert [plain(tick.get_text()) for tick in ax.get_xticklabels()] == ["۰٪", "بله"]
    # The font that comes with matplotlib must be able to show it, or machines would differ.
    assert mpl.ft2font.__libraqm_version__


@pytest.mark.usefixtures("persian_figures")
@pytest.mark.parametrize(
    ("label", "told"), [("8.8–10.1", "\u200f۸٫۸–۱۰٫۱"), ("8.8–", "\u200f۸٫۸–"), ("12", "۱۲"), ("BG/NBD", "BG/NBD")]
)
def test_a_range_of_bare_numbers_runs_from_right_to_left(label, told):
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas()
    text = canvas.text(0, 0, label)
    languages.relabel(canvas)
    assert text.get_text() == told


# --- The narrative --------------------------------------------------------------------------------------------------


def english_cells(notebook):
    cells = json.loads(notebook.path.read_text("utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"}


@pytest.mark.parametrize("notebook", catalogue().values(), ids=lambda notebook: notebook.name)
def test_the_persian_narrative_is_whole_and_not_stale(notebook):
    """Mend a stale section in notebooks/fa and put the new digest, which this test prints, above it."""
    file = Path(notebook.path.parent / "fa" / f"{notebook.name}.md")
    told = languages.narrative(file)
    due = {languages.fingerprint(text): f"{cell} {languages.fingerprint(text)}" for cell, text in
           english_cells(notebook).items()}  # fmt: skip
    assert not [cell for mark, cell in due.items() if not told.get(mark)], "sections missing or stale"
    assert set(told) <= set(due), "sections whose English text is gone"
