"""Secrets and customers are found in whatever is about to be published, however they are written there."""

import base64
import html
import json
from urllib.parse import quote

import nbformat.v4 as nbf
import pytest
from small_business import identity

from analysis import leaks
from analysis.leaks import LeakError

SECRET = 'p"ss&w/rd+7 é'
WRITTEN = {
    "as it is": SECRET,
    "in a web address": quote(SECRET, safe=""),
    "in an address with its slashes": quote(SECRET),
    "in HTML": html.escape(SECRET),
    "in JSON": json.dumps({"x": SECRET}),
    "in hexadecimal": SECRET.encode().hex(),
    **{f"in base64 after {n} bytes": base64.b64encode(b"." * n + SECRET.encode() + b"more").decode() for n in range(5)},
    "in base64 for addresses": base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    "in code": repr({"x": SECRET}),
}


@pytest.mark.parametrize("where", WRITTEN)
def test_a_secret_is_found_and_the_message_names_file_and_variable_but_not_the_value(tmp_path, where):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/page.html").write_text(f"before {WRITTEN[where]} after", "utf-8")
    (tmp_path / "other.html").write_text("nothing", "utf-8")
    with pytest.raises(LeakError) as raised:
        leaks.refuse_secrets(tmp_path, {"SHOP_PASSWORD": SECRET})
    said = str(raised.value)
    assert said.startswith("shop/page.html holds the value of the variable SHOP_PASSWORD, so nothing was published.")
    assert not [form for form in WRITTEN.values() if form in said]
    leaks.refuse_secrets(tmp_path, {"SHOP_PASSWORD": "another-one"})


def test_secrets_are_what_the_studies_use_and_what_is_named_so(tmp_path):
    file = tmp_path / "studies.toml"
    file.write_text('source = "postgres://${SHOP_USER}:${SHOP_PW}@host/shop"', "utf-8")
    given = {
        "SHOP_USER": "reporting", "SHOP_PW": "hunter2hunter2", "SLACK_TOKEN": "xoxb-1234", "API_KEY": "  k-123456  ",
        "DB_PASSWORD": "s3cret-s3cret", "HOME": "somewhere", "EMPTY_TOKEN": "", "SHORT_KEY": "true",
    }  # fmt: skip
    found = leaks.secrets(file, given)
    assert set(found) == {"SHOP_USER", "SHOP_PW", "SLACK_TOKEN", "API_KEY", "DB_PASSWORD"}
    assert found["API_KEY"] == "k-123456"


ORDERS = {"columns": 'columns = { customer_id = "who", ordered_at = "day", amount = "total" }'}
NAMES = ["ZQ-0001-person", "ann@shop.example", "Ann Ó Briain", "A1B2C", "12345678", "anna", "R05"]


@pytest.fixture
def people(make_study):
    rows = "who,day,total\n" + "".join(f'"{name}",2025-01-0{1 + n % 9},5\n' for n, name in enumerate(NAMES * 2))
    return leaks.identities(make_study(rows, ORDERS["columns"]))


def test_customers_are_known_by_what_cannot_be_taken_for_other_text(people):
    """Numbers, plain words and codes as short as those of the claims would be found on every page."""
    assert people == {"zq 0001 person", "ann shop example", "ann ó briain", "a1b2c"}


NAMED = {
    "page.html": "<td>zq-0001-PERSON</td>",
    "label.html": "Why <b>ann</b>@shop.example left",
    "data/x.csv": 'label,n\n"Ann Ó Briain",7\n',
    "page.ipynb": json.dumps({"text": ["first\nA1B2C\n"]}),
    "escaped.ipynb": json.dumps({"text": "of Ann Ó Briain, who"}),
    "findings.json": json.dumps([{"reason": "Only ZQ-0001-person remains."}], ensure_ascii=False),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_customer_is_found_in_every_kind_of_file_and_not_named_in_the_message(people, name):
    with pytest.raises(LeakError) as raised:
        leaks.refuse_customers({"fine.html": "plan A", name: NAMED[name]}, people)
    assert str(raised.value).startswith(f"{name} names 1 customer by their identifier, so it was not published.")
    assert not [one for one in NAMES if one in str(raised.value)]


def test_what_only_resembles_a_customer_is_none(people):
    fine = "ann came to the shop; R05, anna, 12345678, A1B2C3, ZQ-0001 and Ann O'Briain; sha256 5a1b2cff"
    leaks.refuse_customers({"page.html": fine, "empty.csv": ""}, people)
    leaks.refuse_customers({"page.html": NAMES[0]}, frozenset())


def test_pictures_are_not_searched_for_names(people):
    leaks.refuse_customers({"page.html": "a1b2c".ljust(400, "A")}, people)


def test_every_one_of_a_table_of_single_customers_is_counted(make_study):
    rows = "who,day,total\n" + "".join(f"{identity(n)},2025-01-0{1 + n % 9},5\n" for n in range(300))
    people = leaks.identities(make_study(rows, ORDERS["columns"]))
    shown = nbf.new_notebook(cells=[nbf.new_code_cell("x", outputs=[nbf.new_output("stream", text=rows)])])
    with pytest.raises(LeakError, match="names 300 customers"):
        leaks.refuse_customers({"page.ipynb": json.dumps(shown)}, people)
