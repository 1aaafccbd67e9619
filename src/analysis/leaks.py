"""Looks through everything that is about to be published for what must not be in it: secrets, and who is who.

Both are searched for by their known values, so nothing depends on how they got there. A message names the file and
what was found, never the value.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus

from analysis import words
from analysis.studies import Study
from analysis.tables import LoyaltyError

USED = re.compile(r"\$\{(\w+)\}")
NAMED = re.compile(r"token|password|passwd|passphrase|secret|key|credential", re.IGNORECASE)
SHORTEST, SHORTEST_NAME = 6, 5  # characters of a secret, of an identifier: shorter ones turn up in any text
IMAGE = re.compile(r"[A-Za-z0-9+/=]{400,}")  # a picture as text
ESCAPED = re.compile(r"\\(?:u([0-9a-f]{4})|[nrt])")
TAG = re.compile(r"</?(?:b|i|em|strong|span|bdi|code|mark)\b[^<>]*>")  # those that may stand inside a word
WORD = re.compile(r"[^\W_]+")


class LeakError(LoyaltyError):
    """Something that must stay here stands in what was about to be published."""


# --- Secrets --------------------------------------------------------------------------------------------------------


def secrets(studies: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables whose values must not be published: those that the studies file uses, and those named like secrets."""
    used = set(USED.findall(studies.read_text("utf-8")))
    named = {name: value.strip() for name, value in environment.items() if name in used or NAMED.search(name)}
    return {name: value for name, value in named.items() if len(value) >= SHORTEST}


def refuse_secrets(site: Path, hidden: Mapping[str, str]) -> None:
    """Looks for secrets in every file of a site, plain and as web addresses, JSON, HTML and base64 write them.

    Raises:
        LeakError: one is there; the message names the file and the variable.
    """
    forms = {name: [form.encode() for form in _forms(value)] for name, value in hidden.items()}
    for file in sorted(path for path in site.rglob("*") if path.is_file() and forms):
        held = file.read_bytes()
        for name, written in forms.items():
            if any(form in held for form in written):
                place = file.relative_to(site)
                raise LeakError(
                    f"{place} holds the value of the variable {name}, so nothing was published. Take it out of the "
                    "data, the parameters or the notebook that showed it; the last good report is untouched."
                )


def _forms(secret: str) -> set[str]:
    whole = secret.encode()
    coded = set()
    for shift in range(3):  # base64 writes three bytes as four characters, wherever the secret begins
        text = base64.b64encode(b"\0" * shift + whole).decode()
        inner = text[-(-shift * 8 // 6) : len(text) - (0 if (shift + len(whole)) % 3 == 0 else 4)]
        coded |= {inner, inner.replace("+", "-").replace("/", "_")}
    written = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)}
    return written | {json.dumps(secret)[1:-1], repr(secret)[1:-1], whole.hex()} | coded


# --- Customers ------------------------------------------------------------------------------------------------------


@cache
def identities(study: Study) -> frozenset[str]:
    """The customers of a study by their identifiers, as far as these can be told from other text.

    They can when they are long enough and hold a letter and a digit, or several words: an e-mail address, a code, a
    full name. Numbers cannot, because every page is full of numbers.
    """
    named: set[str] = set()
    for table in study.check().tables:
        if "customer_id" in table.rows.columns:
            named.update(_words(str(one)) for one in table.rows[["customer_id"]].distinct().execute()["customer_id"])
    return frozenset(one for one in named if len(one) >= SHORTEST_NAME and _tells(one))


def _words(text: str) -> str:
    return " ".join(WORD.findall(text)).casefold()


def _tells(name: str) -> bool:
    parts = name.split()
    return any(map(str.isalpha, name)) and (len(parts) > 1 or any(map(str.isdigit, name)))


def refuse_customers(texts: Mapping[str, str], people: frozenset[str]) -> None:
    """Looks for customers by their identifiers in files that are about to be published.

    Args:
        texts: name -> content of each file.
        people: from `identities`.

    Raises:
        LeakError: some are there; the message names the file and how many, and nobody.
    """
    lengths = sorted({one.count(" ") + 1 for one in people})
    for name, text in texts.items():
        if seen := people.intersection(_runs(text, lengths)):
            raise LeakError(
                f"{name} names {words.plural(len(seen), 'customer')} by their identifier, so it was not published. "
                "Show groups and not single customers, and choose no column that tells customers apart."
            )


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else " "


def _runs(text: str, lengths: Iterable[int]) -> Iterator[str]:
    """All runs of so many neighbouring words of a text; JSON's escapes are no letters, and tags are no words."""
    plain = TAG.sub("", html.unescape(ESCAPED.sub(_unescaped, IMAGE.sub(" ", text))))
    found = WORD.findall(plain.casefold())
    for length in lengths:
        yield from map(" ".join, zip(*(found[start:] for start in range(length)), strict=False))
