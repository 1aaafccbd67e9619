"""Exhibits say everything in words too, show values from data as text, and give the same bytes for the same data."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import exhibits, hypotheses
from analysis.exhibits import (
    EXHIBIT_MIME,
    Figure,
    Table,
    claimed,
    csv_text,
    isolated,
    kept,
    say,
    shortened,
    visible,
)
from analysis.hypotheses.rules import VERDICTS, Compound, Directional, NoEffect, Part, Range, Threshold, all_of

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def draw_line(figure, phone):
    figure.subplots().plot([0, 1], [0, 1], lw=3 if phone else 1)


def figure(**given):
    usual = {
        "name": "line",
        "title": "It rises",
        "alt": "A rising line.",
        "data": pd.DataFrame({"x": [0, 1]}),
        "draw": draw_line,
    }
    return Figure(**(usual | given))


# --- text from data ---


def test_control_and_override_characters_are_written_out_and_persian_joiners_stay():
    assert visible("a\u202eb\x00c\nd\ud800") == "a\\u202eb\\u0000c\\u000ad\\ud800"
    assert visible("می\u200cخواهم") == "می\u200cخواهم"


MIXED = "\u2068نسخه ویژه\u2069 against small (2)"


def test_right_to_left_words_in_an_english_label_keep_to_themselves():
    assert isolated("نسخه ویژه against small (2)") == MIXED
    assert isolated(isolated(MIXED)) == shortened(MIXED) == MIXED  # however often a label is shown
    assert isolated("نسخه ۲ (ویژه)") == "نسخه ۲ (ویژه)"  # a label in one script needs no help
    assert visible("a\u2068b\u2069") == "a\\u2068b\\u2069"  # of the data's own marks nothing is believed


def test_a_cut_label_leaves_no_isolation_open():
    cut = shortened("small against " + "نسخه ویژه " * 5)
    assert cut.count("\u2068") == cut.count("\u2069") == 1


def test_a_long_label_ends_in_an_ellipsis_within_forty_characters():
    assert shortened("x" * 40) == "x" * 40
    assert shortened("x" * 41) == "x" * 39 + "…"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_text_that_would_start_a_formula_is_guarded_in_csv(text):
    written = csv_text(pd.DataFrame({"label": [text], "value": [-1.5], "=cmd": [1]}))
    assert "'=cmd" in pd.read_csv(io.StringIO(written)).columns
    assert pd.read_csv(io.StringIO(written))["label"][0] == "'" + text
    assert pd.read_csv(io.StringIO(written))["value"][0] == -1.5  # a negative number is a number


def test_a_sentence_formats_counts_and_shows_values_as_text():
    said = say("{} customers of {shop} bought.\n  Twice.", 23570, shop="{0} " + HOSTILE)
    assert said.text == f"23,570 customers of {{0}} {HOSTILE} bought. Twice."
    bundle, _ = said._repr_mimebundle_()
    assert "<script" not in bundle["text/html"]


def test_a_sentence_refuses_a_number_whose_unit_it_cannot_know():
    with pytest.raises(TypeError, match="unit"):
        say("{} of them left", 0.25)


# --- figures ---


@pytest.mark.parametrize("wrong", [{"alt": " "}, {"title": ""}, {"name": "../x"}, {"name": "Line"}])
def test_a_figure_without_words_or_with_a_name_that_is_no_file_name_is_refused(wrong):
    with pytest.raises(ValueError, match="exhibit"):
        figure(**wrong)


def test_a_figure_is_drawn_twice_and_always_the_same():
    from PIL import Image

    wide, narrow = figure().png(), figure().png(phone=True)
    assert (wide, narrow) == (figure().png(), figure().png(phone=True))
    widths = [Image.open(io.BytesIO(png)).width for png in (wide, narrow)]
    assert widths == [1320, 780]  # 6.6 and 3.9 inches at 200 dots an inch


def test_a_figure_carries_its_words_its_data_and_its_phone_version():
    bundle, metadata = figure(title=HOSTILE, caption="n = 2")._repr_mimebundle_()
    assert set(bundle) == {EXHIBIT_MIME, "text/html", "image/png", "text/plain"}
    assert set(bundle[EXHIBIT_MIME]) == {"kind", "name", "title", "caption", "alt", "csv", "png_phone", "hidden"}
    assert bundle[EXHIBIT_MIME]["csv"] == "x\n0\n1\n"
    assert metadata["image/png"]["alt"] == "A rising line."
    assert "<script" not in bundle["text/html"]


def test_a_dollar_sign_in_a_category_is_not_read_as_mathematics():
    assert exhibits.theme()["text.parse_math"] is False


def test_matplotlib_can_shape_persian():
    import matplotlib.ft2font as ft2font

    assert ft2font.__libraqm_version__  # without it letters stand alone and in the wrong order


# --- tables ---

GROUPS = pd.DataFrame({"group": ["a", "b", "c", "d"], "customers": [100, 3, 8, 50], "mean": [1.5, 9.0, 2.0, np.nan]})


def test_amounts_beside_their_interval_show_the_digits_that_it_leaves_the_same_in_every_row():
    rows = pd.DataFrame({"who": ["all", "one"], "value": [5000.55, 65.5], "low": [4000.0, 63.2], "orders": [7, 8]})
    rows["high"] = [6001.0, 67.0]
    units = dict.fromkeys(["value", "low", "high"], "money")
    shown = Table("t", "Worth", rows, units=units).html()
    assert re.findall(r'data-heading="(?:Value|Low)">([^<]*)<', shown) == ["5,001", "4,000", "66", "63"]
    narrow = Table("t", "Worth", rows.assign(low=[4000.0, 65.0], high=[6001.0, 66.0]), units=units).html()
    assert ">5,000.55<" in narrow
    assert ">7<" in narrow  # a count stays one
    assert ">65.00<" in narrow  # in whole units it would be 66 from 65 to 66


def test_a_column_and_an_interval_have_one_number_of_decimals():
    rows = {
        "who": ["a", "b", "c"],
        "error": [0.039, 1.47, 0.0],
        "value": [0.2, 0.0042, 0.04],
        "low": [0.1, 0.0004, 0.01],
    }
    shown = Table("t", "Slopes", pd.DataFrame(rows), units=dict.fromkeys(["error", "value", "low"], "slope")).html()
    assert re.findall(r'data-heading="Error">([^<]*)<', shown) == ["0.04", "1.47", "0.00"]
    assert re.findall(r'data-heading="Value">([^<]*)<', shown) == ["0.2000", "0.0042", "0.0400"]
    assert re.findall(r'data-heading="Low">([^<]*)<', shown) == ["0.1000", "0.0004", "0.0100"]


def test_a_table_has_caption_scopes_and_numbers_marked_as_numbers():
    shown = Table("t", "Spend", GROUPS, units={"mean": "money"}, currency="EUR").html()
    assert "<caption><span>Spend</span></caption>" in shown
    assert '<th scope="col" class="number">Customers</th>' in shown
    assert '<th scope="row" class="short" data-heading="Group">a</th>' in shown
    assert '<td class="number" data-heading="Customers">100</td>' in shown
    assert '<td class="number" data-heading="Mean">1.50 EUR</td>' in shown
    assert '<td class="number" data-heading="Mean">–</td>' in shown


def test_a_column_of_sentences_gets_room_and_a_column_of_dates_is_not_broken():
    rows = pd.DataFrame({"day": ["1997-01-01"], "meaning": ["a sentence that needs more than forty characters"]})
    shown = Table("t", "Columns", rows).html()
    assert '<th scope="row" class="short" data-heading="Day">1997-01-01</th>' in shown
    assert '<td class="long" data-heading="Meaning">a sentence' in shown


def test_table_cells_headings_and_title_are_text():
    shown = Table("t", HOSTILE, pd.DataFrame({HOSTILE: [HOSTILE]})).html()
    assert "<script" not in shown
    assert "<img" not in shown


def test_small_groups_are_hidden_on_the_page_and_in_the_csv():
    table = Table("t", "Spend", GROUPS, size_column="customers", min_cell=5)
    assert "9" not in table.html()
    rows = pd.read_csv(io.StringIO(table.csv()))
    assert rows["customers"].tolist() == ["100", "hidden", "hidden", "50"]
    assert rows["mean"].isna().tolist() == [False, True, True, True]
    bundle, _ = table._repr_mimebundle_()
    assert bundle[EXHIBIT_MIME]["hidden"] == 2
    assert "Hidden: 2 rows" in bundle[EXHIBIT_MIME]["caption"]


def test_a_table_refuses_a_unit_for_a_column_it_has_not():
    with pytest.raises(ValueError, match="no column spend"):
        Table("t", "Spend", GROUPS, units={"spend": "money"})


def test_kept_lists_each_rule_with_its_counts():
    steps = [
        SimpleNamespace(rule="as received", kept=69659, dropped=0),
        SimpleNamespace(rule="no id", kept=69650, dropped=9),
    ]
    assert kept(steps).csv() == "rule,kept,dropped\nas received,69659,0\nno id,69650,9\n"
    assert ">69,659</td>" in kept(steps).html()


# --- findings ---


def entry(**given):
    rule = Directional(at_least=1.05, null=1.0)
    usual = {
        "hypothesis": "R05", "claim": "Small repeaters bring in more.", "reading": "main", "headline": True,
        "estimand": "ratio of means", "estimate": 0.94, "low": 0.90, "high": 0.98, "level": 0.95, "unit": "ratio",
        "n": 6983, "smallest_effect": 1.05, "rule": rule.as_dict() | {"text": rule.text("ratio")}, "parts": [],
        "verdict": "contradicted", "rung": "B", "reason": "Too small.", "design": "Bootstrap.", "changed": [],
        "currency": "USD",
    }  # fmt: skip
    return usual | given


def test_an_estimate_reads_as_value_and_interval():
    assert exhibits.estimate_text(entry()) == "0.94 (0.90 to 0.98)"
    assert exhibits.estimate_text(entry(low=None)) == "0.94"
    assert exhibits.estimate_text(entry(estimate=None, low=None, high=None)) == ""
    assert exhibits.estimate_text(entry(unit="furlongs")) == "0.94 furlongs (0.9 to 0.98)"


def test_a_card_says_verdict_estimate_rule_reason_and_rung_in_words():
    card = exhibits.findings_html([entry()])
    for words in (
        "Contradicted",
        "0.94",
        "95% interval 0.90 to 0.98",
        "Too small.",
        "Rung B: an association",
        "6,983",
        "at least 1.05",
    ):
        assert words in card


@pytest.mark.parametrize("row", hypotheses.REGISTER.values(), ids=lambda row: row.id)
def test_a_rule_is_told_a_line_a_part_and_word_for_word(row):
    told = claimed(row.id)
    parts = row.rule.parts if isinstance(row.rule, Compound) else {}
    assert len(told.points) == len(parts)
    assert all(said == part.rule.text(part.unit) for (_, said), part in zip(told.points, parts.values(), strict=True))
    whole = " ".join([told.text, *(f"{name}: {said}" for name, said in told.points), told.after]).strip()
    assert whole == f"{row.id}. {row.claim} {row.rule.text(row.unit)}"


def test_a_card_lists_the_parts_of_its_rule_whose_names_may_be_settings():
    part = {"estimand": "", "speaks": "both"} | {k: entry()[k] for k in ("estimate", "low", "high", "unit", "verdict")}
    rule = all_of(word_of_mouth=Part(Threshold(at_least=0.5), "ratio"), gap=Part(Threshold(at_least=2.0), "ratio"))
    said = {name: one.rule.text(one.unit) for name, one in rule.parts.items()}
    told = [part | {"name": name, "rule": {"text": text}} for name, text in said.items()]
    card = exhibits.findings_html([entry(rule=rule.as_dict() | {"text": rule.text("")}, parts=told)])
    assert card.count("<li>") == 2
    assert f"<li><b>word of mouth</b><span>: </span>{said['word_of_mouth']}</li>" in card
    assert '<p dir="auto">The claim needs every part.</p>' in card


def test_what_was_counted_has_no_interval_on_its_card():
    assert "interval 0 to 2" in exhibits.findings_html([entry(estimate=0.0, low=0.0, high=2.0, unit="violations")])
    assert "interval 0 to 0" not in exhibits.findings_html([entry(estimate=0.0, low=0.0, high=0.0, unit="violations")])


def test_a_change_after_the_first_run_is_said_to_be_one():
    change = {"what": "smallest effect", "name": "R05", "default": 1.05, "value": 1.01, "after_first_run": True}
    card = exhibits.findings_html([entry(changed=[change, change | {"after_first_run": False}])])
    said = "smallest effect R05: 1.01 instead of 1.05"
    assert f"<strong>Changed from the defaults:</strong> {said} (changed after the first run); {said}</p>" in card
    assert "Changed from the defaults" not in exhibits.findings_html([entry()])


def test_a_card_shows_every_text_as_text():
    texts = dict.fromkeys(("claim", "reading", "estimand", "reason", "design", "hypothesis"), HOSTILE)
    change = {"what": "parameter", "name": HOSTILE, "default": 1, "value": HOSTILE}
    part = {"name": HOSTILE, "estimand": HOSTILE} | {
        k: entry()[k] for k in ("estimate", "low", "high", "unit", "verdict", "rule")
    }
    card = exhibits.findings_html([entry(**texts, changed=[change], parts=[part]), entry(**texts, headline=False)])
    assert "<script" not in card
    assert "<img" not in card


def test_every_verdict_has_a_sign_of_its_own():
    cards = [exhibits.findings_html([entry(verdict=verdict)]) for verdict in VERDICTS]
    assert len({re.search("<svg.*?</svg>", card).group() for card in cards}) == len(VERDICTS)


def test_other_readings_stand_in_a_table_below_the_headline():
    page = exhibits.findings_html([entry(), entry(reading="net of returns", headline=False, verdict="inconclusive")])
    assert page.count("<article") == 1
    assert '<tr id="finding-R05-net-of-returns"><th scope="row">net of returns</th>' in page


# Low end, high end and null of what each rule claims, read off the strip: 0 and 100 are the ends of the line.
@pytest.mark.parametrize(
    ("rule", "zone_reaches_left", "zone_reaches_right", "has_null"),
    [
        (Directional(at_least=1.05, null=1.0), False, True, True),
        (Directional(at_least=0.9, null=1.0), True, False, True),
        (Threshold(at_least=0.5), False, True, False),
        (Threshold(at_least=0.5, below=True), True, False, False),
        (Range(low=0.95, high=1.05), False, False, False),
        (NoEffect(within=0.1), False, False, True),
        (NoEffect(within=0.1, against="above"), True, False, True),
    ],
)
def test_the_strip_shades_what_the_rule_claims(rule, zone_reaches_left, zone_reaches_right, has_null):
    line = exhibits.strip(entry(rule=rule.as_dict()))
    assert (line["zone"][0] == 0, line["zone"][1] == 0) == (zone_reaches_left, zone_reaches_right)
    assert (line["null"] is not None) == has_null
    assert not has_null or 0 < line["null"] < 100  # in sight, however far from the estimate
    assert line["whisker"][0] < line["dot"] < 100 - line["whisker"][1]


def test_there_is_no_strip_without_an_interval():
    assert exhibits.strip(entry(low=None)) is None
    assert exhibits.strip(entry(rule={"kind": "identity"})) is None


def test_parts_of_which_nothing_is_known_do_not_fill_the_card():
    part = {
        "name": "one", "label": "the first", "verdict": "not testable", "estimate": None, "low": None, "high": None,
        "unit": "ratio", "estimand": "slope of nothing", "rule": None,
    }  # fmt: skip
    told = {"estimate": None, "low": None, "high": None, "verdict": "not testable", "reason": "No table units."}
    silent = exhibits.findings_html([entry(**told, parts=[part, part | {"name": "two"}])])
    assert "slope of nothing" not in silent
    assert silent.count("No table units.") == 1
    half = exhibits.findings_html([entry(**told, parts=[part, part | {"estimate": 1.0, "verdict": "contradicted"}])])
    assert half.count("slope of nothing") == 2


@pytest.mark.parametrize(("known", "shown"), [([2.0, 30.0], ["2", "30"]), ([2.0, 30.5], ["2.00", "30.50"])])
def test_what_has_no_end_and_what_is_missing_do_not_decide_how_numbers_look(known, shown):
    rows = pd.DataFrame({"who": list("abcd"), "days": [*known, np.inf, np.nan]})
    cells = re.findall(r"<td[^>]*>(.*?)</td>", Table("t", "Days", rows).html())
    assert [cell.strip() for cell in cells][:2] == shown
