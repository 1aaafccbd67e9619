"""Tells people what came of a scheduled report: by a web address, by mail, or through a command of theirs.

The owner hears of failures and recoveries, the audience of verdicts and figures that changed.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from analysis.settings import NotifySettings
from analysis.sources import expand
from analysis.tables import SettingsError

FAILURE, RECOVERY, CHANGE = "failure", "recovery", "change"
SUBJECTS = {FAILURE: "the report failed", RECOVERY: "the report is back", CHANGE: "what changed"}
READS = {"owner": (FAILURE, RECOVERY), "audience": (CHANGE,)}
PATIENCE = 20  # seconds that an address or a command may take
HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Notice:
    """What is to be told: of which study, which event, in which words. Nothing in it names a person."""

    study: str
    event: str
    subject: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole as plain text."""
        return "\n".join([self.subject, "", *self.lines])


def send(notice: Notice, channel: NotifySettings) -> None:
    """Sends a notice on its way.

    Raises:
        OSError: the address or the command cannot be reached, or says no.
        SettingsError: a variable that the address needs is not set.
        ValueError: the address is none.
    """
    if channel.webhook:
        _post(expand(channel.webhook), asdict(notice) | {"text": notice.text})
    elif channel.smtp:
        _mail(expand(channel.smtp), notice, channel)
    else:
        _call(channel.command, asdict(notice))


def _post(address: str, told: dict[str, Any]) -> None:
    asked = urllib.request.Request(address, json.dumps(told).encode(), {"Content-Type": "application/json"})
    if asked.type not in ("http", "https"):
        raise ValueError("a webhook is an http or https address")
    urllib.request.urlopen(asked, timeout=PATIENCE).close()


def _mail(address: str, notice: Notice, channel: NotifySettings) -> None:
    import smtplib
    from email.message import EmailMessage

    place = urlsplit(address)
    mail = EmailMessage()
    mail["Subject"] = " ".join(notice.subject.split())
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.to)
    mail.set_content(notice.text)
    kind = smtplib.SMTP_SSL if place.scheme == "smtps" else smtplib.SMTP
    with kind(place.hostname or "", place.port or 0, timeout=PATIENCE) as server:
        server.ehlo()
        if place.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls()
        elif place.scheme == "smtp" and place.password and place.hostname not in HERE:
            raise SettingsError("the mail server offers no encryption, and a password is not sent without it")
        if place.username:
            server.login(unquote(place.username), unquote(place.password or ""))
        server.send_message(mail)


def _call(command: list[str], told: dict[str, Any]) -> None:
    done = subprocess.run(command, input=json.dumps(told), text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise OSError(f"the command ended with {done.returncode}")
