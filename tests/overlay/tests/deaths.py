"""Every kind of death of an access token, for real processes and for containers.

Each kind happens to a `Victim`: by requests of its client or of its browser, or by Django where an
administrator or a command does it.
"""

import base64
import hashlib
import json
import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import requests
from browser import Browser, parameters

PASSWORD, VERIFIER = "a long passphrase", "a-verifier-that-a-real-client-makes-at-random-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
CLIENT = {"client_id": "demo-browser", "redirect_uri": "http://127.0.0.1:8765/callback"}
LOOP = """
import io, json, os, sys
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
from django.core.management import call_command
from oauth2_provider.models import AccessToken
from accounts.models import User
from client_registry.models import RegisteredClient

def user():
    return User.objects.get(email=email)

def registration():
    return RegisteredClient.objects.get(application__client_id="demo-browser")

for line in sys.stdin:
    exec(json.loads(line))
    print("done", flush=True)
"""


class Django:
    """A Python with Django that runs what a test sends; its start takes longer than any death.

    Args:
        command: The Python, in the environment of the authorization server.
        options: Those of `subprocess.Popen`.
    """

    def __init__(self, *command, **options):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([*command, "-c", LOOP], **pipes, **options)

    def run(self, code):
        """Run some code."""
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


class Victim:
    """A person, what the client has got for it, and what happens to them.

    The access token is from the second refresh: the code has been used, and the use of the first
    refresh token is no race of two requests.

    Args:
        url: The authorization server.
        django: `Django` there.
        scope: The scope of the token.
    """

    def __init__(self, url, django, scope):
        self.url, self.django = url, django
        self.browser, self.email = Browser(), f"{secrets.token_hex(8)}@example.com"
        django.run(f"User.objects.create_user({self.email!r}, {PASSWORD!r}, verified=True)")
        question = CLIENT | {
            "response_type": "code",
            "scope": f"openid {scope}",
            "code_challenge": CHALLENGE.decode(),
            "code_challenge_method": "S256",
        }
        self.browser.open(f"{url}/o/authorize/?{urlencode(question)}")
        self.browser.log_in(self.email, PASSWORD)
        self.code = parameters(self.browser.submit(allow="true"))["code"]
        self.used = self.exchange()["refresh_token"]
        tokens = self.refresh(self.refresh(self.used)["refresh_token"])
        self.token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]

    def post(self, path, **form):
        """Send a form of the client, and return the JSON object in the response."""
        return requests.post(f"{self.url}{path}", CLIENT | form, timeout=30).json()

    def exchange(self):
        """Exchange the code."""
        form = {"grant_type": "authorization_code", "code": self.code, "code_verifier": VERIFIER}
        return self.post("/o/token/", **form)

    def refresh(self, refresh_token):
        """Use a refresh token."""
        return self.post("/o/token/", grant_type="refresh_token", refresh_token=refresh_token)

    def confirm(self, path, **values):
        """Send the form of a page, as the person."""
        self.browser.open(f"{self.url}{path}")
        self.browser.submit(**values)

    def run(self, code):
        """Run code that may use the e-mail address and the token."""
        self.django.run(f"email, token = {self.email!r}, {self.token!r}\n{code}")


@dataclass
class Death:
    """What ends a token, and the code that allows the next one where that is necessary."""

    happens: Callable[[Victim], object]
    undo: str = ""


def by_django(code, undo=""):
    """Return a death by code."""
    return Death(lambda victim: victim.run(code), undo)


REVOKE = 'call_command("revoke_tokens", {}, stdout=io.StringIO())'
CHANGE = "one = registration()\none.{} = {}\none.save()"
DELETE_CLIENT = """
one = registration()
application, pk = one.application, one.pk
application.delete()
"""
RESTORE_CLIENT = """
application.pk = pk
application.save(force_insert=True)
one.application = application
one.save(force_insert=True)
"""

DEATHS = {
    "the access token is revoked": Death(
        lambda victim: victim.post("/o/revoke_token/", token=victim.token)
    ),
    "the refresh token is revoked": Death(
        lambda victim: victim.post("/o/revoke_token/", token=victim.refresh_token)
    ),
    "the token is refreshed": Death(lambda victim: victim.refresh(victim.refresh_token)),
    "a refresh token is used twice": Death(lambda victim: victim.refresh(victim.used)),
    "a code is used twice": Death(lambda victim: victim.exchange()),
    "the person signs out": Death(lambda victim: victim.confirm("/o/logout/", allow="true")),
    "the person withdraws consent": Death(lambda victim: victim.confirm("/applications/")),
    "the token is deleted": by_django("AccessToken.objects.get(user=user()).delete()"),
    "the user is deactivated": by_django("one = user()\none.is_active = False\none.save()"),
    "the user is deactivated by update()": by_django(
        "User.objects.filter(email=email).update(is_active=False)"
    ),
    "the password is changed": by_django('one = user()\none.set_password("another")\none.save()'),
    "the user is deleted": by_django("user().delete()"),
    "the tokens of the user are revoked": by_django(REVOKE.format("user=email")),
    "the tokens of the client are revoked": by_django(REVOKE.format('client="demo-browser"')),
    "the tokens for all resource servers are revoked": by_django(REVOKE.format("all=True")),
    "the client is deactivated": by_django(
        CHANGE.format("is_active", False), CHANGE.format("is_active", True)
    ),
    "the client loses its scopes": by_django(
        "before = registration().scopes\n" + CHANGE.format("scopes", ["openid"]),
        CHANGE.format("scopes", "before"),
    ),
    "the client is deleted": by_django(DELETE_CLIENT, RESTORE_CLIENT),
}
