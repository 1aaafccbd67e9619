"""Notices arrive at a web address, a mail server and a command; the owner and the audience hear different things."""

import base64
import email
import email.policy
import json
import smtplib
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from test_schedule import DAY, World, failing, findings, written

from analysis import notices
from analysis.ledger import GOOD, RETRY
from analysis.notices import FAILURE, Notice
from analysis.settings import NotifySettings
from analysis.tables import SettingsError

NOTICE = Notice("shop", FAILURE, "The shop: the report failed", ("orders: no such file.", "قطع شد"))


@pytest.fixture
def hook():
    """A web address on this machine, and what was sent to it."""
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(500 if "broken" in self.path else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()


@pytest.fixture
def post():
    """A mail server on this machine, and what was handed to it."""
    got = []

    class Post(socketserver.StreamRequestHandler):
        def handle(self):
            def say(line):
                self.wfile.write(line.encode() + b"\r\n")

            say("220 here")
            for line in self.rfile:
                word = line.strip().upper()
                if word == b"DATA":
                    say("354 go on")
                    mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                    got[-1]["mail"] = mail.decode()
                    say("250 taken")
                elif word == b"QUIT":
                    say("221 bye")
                    return
                elif word.startswith(b"EHLO"):
                    got.append({"to": [], "login": None})
                    say("250-here")
                    say("250 AUTH PLAIN")
                elif word.startswith(b"AUTH"):
                    got[-1]["login"] = line.decode().split()[-1]
                    say("235 welcome")
                else:
                    if word.startswith(b"RCPT"):
                        got[-1]["to"].append(line.decode().strip())
                    say("250 well")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Post) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", got
        server.shutdown()


def owner(**way):
    return NotifySettings(reader="owner", **way)


def test_a_web_address_is_given_text_and_parts(hook):
    address, got = hook
    notices.send(NOTICE, owner(webhook=f"{address}/chat"))
    ((path, kind, told),) = got
    assert (path, kind) == ("/chat", "application/json")
    assert told["text"] == "The shop: the report failed\n\norders: no such file.\nقطع شد"
    assert (told["study"], told["event"]) == ("shop", "failure")


def test_a_secret_in_the_address_comes_from_the_environment(hook, monkeypatch):
    address, got = hook
    channel = owner(webhook="${HOOK}/${KEY}")
    with pytest.raises(SettingsError, match="HOOK"):
        notices.send(NOTICE, channel)
    monkeypatch.setenv("HOOK", address)
    monkeypatch.setenv("KEY", "t0ken")
    notices.send(NOTICE, channel)
    assert got[0][0] == "/t0ken"


def test_a_web_address_that_says_no_or_is_none_raises(hook, monkeypatch):
    with pytest.raises(OSError, match="500"):
        notices.send(NOTICE, owner(webhook=f"{hook[0]}/broken"))
    monkeypatch.setenv("HOOK", "file:///etc/hostname")
    with pytest.raises(ValueError, match="http"):
        notices.send(NOTICE, owner(webhook="${HOOK}"))


def test_mail_reaches_everybody_in_any_script(post):
    place, got = post
    notices.send(NOTICE, owner(smtp=f"smtp://{place}", sender="lab@example.org", to=["a@example.org", "b@example.org"]))
    mail = email.message_from_bytes(got[0]["mail"].encode(), policy=email.policy.default)
    assert got[0]["to"] == ["rcpt TO:<a@example.org>", "rcpt TO:<b@example.org>"]
    assert mail["Subject"] == "The shop: the report failed"
    assert "قطع شد" in mail.get_content()
    assert got[0]["login"] is None


def test_mail_logs_in_with_a_password_of_any_letters(post, monkeypatch):
    place, got = post
    monkeypatch.setenv("MAIL_PASSWORD", "a:b@c/")
    notices.send(
        NOTICE, owner(smtp=f"smtp://me:${{MAIL_PASSWORD}}@{place}", sender="a@example.org", to=["b@example.org"])
    )
    assert base64.b64decode(got[0]["login"]).decode() == "\0me\0a:b@c/"


def test_a_password_is_not_sent_to_another_machine_without_encryption(post, monkeypatch):
    monkeypatch.setattr(notices, "HERE", ())  # as if the server were elsewhere
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    with pytest.raises(SettingsError, match="encryption"):
        notices.send(NOTICE, owner(smtp=f"smtp://me:${{MAIL_PASSWORD}}@{post[0]}", sender="a@b.c", to=["d@e.f"]))
    assert post[1][0]["login"] is None


def test_a_title_of_several_lines_makes_no_header_of_its_own(post):
    told = Notice("shop", FAILURE, "The shop\nBcc: x@example.org", ())
    notices.send(told, owner(smtp=f"smtp://{post[0]}", sender="a@example.org", to=["b@example.org"]))
    assert "Subject: The shop Bcc: x@example.org" in post[1][0]["mail"]
    assert len(post[1][0]["to"]) == 1


def test_no_mail_server_is_an_error_that_is_told():
    with pytest.raises((OSError, smtplib.SMTPException)):
        notices.send(NOTICE, owner(smtp="smtp://127.0.0.1:1", sender="a@example.org", to=["b@example.org"]))


def test_a_command_is_given_the_notice_as_json(tmp_path):
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    notices.send(NOTICE, owner(command=[sys.executable, "-c", code, str(tmp_path / "told")]))
    assert json.loads((tmp_path / "told").read_text())["lines"] == ["orders: no such file.", "قطع شد"]


def test_a_command_that_fails_raises(monkeypatch):
    with pytest.raises(OSError, match="ended with 3"):
        notices.send(NOTICE, owner(command=[sys.executable, "-c", "raise SystemExit(3)"]))


# --- who is told what ---------------------------------------------------------------------------------------------

CHANNELS = """
[notify.oncall]
reader = "owner"
webhook = "{address}/owner"
[notify.managers]
reader = "audience"
webhook = "{address}/audience"
"""


@pytest.fixture
def told(tmp_path, hook):
    """A scheduled study whose owner and audience listen; and what each heard."""
    address, got = hook
    more = 'notify = ["oncall", "managers"]\nretries = 1'
    world = World(tmp_path, CHANNELS.format(address=address) + written(more=more))

    def heard():
        new = [(path[1:], body["event"], body["lines"]) for path, _, body in got]
        got.clear()
        return new

    return world, heard


def test_the_owner_hears_of_a_failure_when_retries_are_used_up_and_of_the_recovery(told):
    shop, heard = told
    shop.fate = failing
    shop.time += DAY
    shop.look()
    assert shop.rows("state") == [(RETRY,)]
    assert heard() == []
    shop.time += DAY / 24
    shop.look()
    assert heard() == [
        ("owner", "failure", ["orders: no such file.", "Readers still see the last good report."]),
    ]
    shop.fate = lambda study: None
    shop.time += DAY
    shop.look()
    assert heard() == [("owner", "recovery", ["The report is made again."])]
    shop.time += DAY
    shop.look()
    assert shop.rows("state")[-1] == (GOOD,)
    assert heard() == []


def test_the_audience_hears_of_a_verdict_or_a_figure_that_changed_and_not_of_a_wiggle(told):
    shop, heard = told
    changes = iter([("supported", 0.100), ("supported", 0.101), ("contradicted", 0.101), ("contradicted", 0.9)])
    shop.fate = lambda study: findings(shop, *next(changes))
    events = []
    for _ in range(4):
        shop.time += DAY
        shop.look()
        events.append([(who, event) for who, event, _ in heard()])
    assert events == [[], [], [("audience", "change")], [("audience", "change")]]


def test_a_notice_that_fails_is_logged_and_fails_nothing(told, monkeypatch):
    shop, _ = told
    monkeypatch.setattr(notices, "send", lambda *_: (_ for _ in ()).throw(OSError("http://secret/address")))
    changes = iter([("supported", 0.1), ("contradicted", 0.1)])
    shop.fate = lambda study: findings(shop, *next(changes))
    for _ in range(2):
        shop.time += DAY
        assert shop.look()
    (line,) = shop.log()
    assert line | {"at": ""} == {
        "at": "", "study": "shop", "notice": "change", "to": "managers", "outcome": "not sent (OSError)",
    }  # fmt: skip
    assert "secret" not in "".join(shop.said)
