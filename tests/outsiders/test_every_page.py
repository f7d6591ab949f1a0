"""Every page for people in Chromium, as wide as a telephone, in both themes.

The playground has its own tests.
"""

import sqlite3
import subprocess
from contextlib import closing, contextmanager
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest
import requests
from people import (
    PASSWORD,
    add_app,
    add_passkey,
    add_sensor,
    click,
    mailed_code,
    sign_in,
    sign_up,
)

WIDTH = 360  # pixels
AXE = """axe.run().then(({violations}) => violations
    .filter(({impact}) => ["serious", "critical"].includes(impact)).map(({id}) => id))"""
ANONYMOUS = [
    *("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"),
    "/accounts/google/login/",
]
SIGNED_IN = [
    *("/", "/applications/", "/o/logout/"),
    *("/accounts/email/", "/accounts/password/change/", "/accounts/sessions/"),
    *("/accounts/2fa/", "/accounts/2fa/webauthn/", "/accounts/2fa/webauthn/add/"),
    *("/accounts/2fa/totp/activate/", "/accounts/2fa/recovery-codes/"),
    *("/accounts/2fa/recovery-codes/generate/", "/accounts/login/", "/accounts/logout/"),
    *("/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/"),
    *("/accounts/2fa/webauthn/reauthenticate/", "/accounts/delete/"),
    "/accounts/3rdparty/",
]
pytestmark = pytest.mark.slow


class Visitor:
    """A person's browser, and what is wrong with the pages that it has shown."""

    def __init__(self, context, url):
        self.url = url
        self.policy = []
        self.origins = set()
        context.on("console", self.note)
        context.on("request", self.note_origin)
        self.page = context.new_page()

    def note(self, message):
        if "Content Security Policy" in message.text:
            self.policy.append(message.text)

    def note_origin(self, request):
        parts = urlsplit(request.url)
        if parts.scheme != "data":
            self.origins.add(f"{parts.scheme}://{parts.netloc}")

    def open(self, path):
        self.status = self.page.goto(self.url + path).status
        return self.faults()

    def faults(self, *others):
        """Return what is wrong with the page that is open, which may send requests to `others`."""
        self.page.wait_for_load_state()
        faults = self.page.evaluate(AXE)
        if self.page.evaluate("document.documentElement.scrollWidth") > WIDTH:
            faults.append("it scrolls sideways")
        faults += self.policy + sorted(self.origins - {self.url, *others})
        self.policy.clear()
        self.origins.clear()
        return faults


@pytest.fixture(scope="module", params=["light", "dark"])
def new_visitor(request, new_context, env, node_modules):
    """Return a function that opens a narrow browser with axe, until the block ends."""
    script = node_modules / "node_modules" / "axe-core" / "axe.min.js"
    size = {"width": WIDTH, "height": 800}

    @contextmanager
    def new_visitor():
        with new_context(color_scheme=request.param, viewport=size) as context:
            context.add_init_script(path=script)
            yield Visitor(context, env["AUTHORIZATION_SERVER_URL"])

    return new_visitor


@pytest.fixture(scope="module")
def anonymous(new_visitor):
    """Return a visitor who has not signed in."""
    with new_visitor() as visitor:
        yield visitor


@pytest.fixture(scope="module")
def person(new_visitor, started):
    """Return a visitor who has signed up and added a passkey."""
    with new_visitor() as visitor:
        add_sensor(visitor.page)
        sign_up(visitor.page, visitor.url, started, f"{uuid4().hex}@example.com")
        add_passkey(visitor.page, visitor.url)
        yield visitor


@pytest.fixture(scope="module")
def authorization(env, page_port):
    """Return the address of an authorization request."""
    parameters = {
        "response_type": "code",
        "client_id": "demo-browser",
        "redirect_uri": f"http://localhost:{page_port}/callback.html",
        "scope": "openid email orders:read",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    return f"/o/authorize/?{urlencode(parameters)}"


@pytest.mark.parametrize("path", ANONYMOUS)
def test_a_page_for_everyone(anonymous, path):
    assert anonymous.open(path) == []
    assert anonymous.status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing/", 404),
        ("/o/authorize/?client_id=nobody", 400),
        ("/admin/login/", 403),
        ("/fault/", 500),
        ("/accounts/google/login/callback/?error=access_denied", 401),
    ],
)
def test_a_page_for_an_error(person, path, status):
    assert person.open(path) == []
    assert person.status == status


@pytest.mark.parametrize("path", SIGNED_IN)
def test_a_page_of_an_account(person, path):
    assert person.open(path) == []
    assert person.status == 200
    assert urlsplit(person.page.url).path == path  # It has not led elsewhere.


@pytest.mark.parametrize("name", ["Rename", "Remove"])
def test_the_pages_of_a_passkey(person, name):
    person.open("/accounts/2fa/webauthn/")
    person.page.get_by_role("link", name=name).click()
    person.page.wait_for_url("**/keys/**")
    assert person.faults() == []


def test_the_pages_of_an_authorization(anonymous, person, authorization):
    assert anonymous.open(authorization) == []  # The sign-in page names the application.
    assert person.open(authorization) == []
    assert person.open(f"{authorization}&acr_values=phr") == []


def test_the_pages_of_a_sign_up_and_of_a_second_factor(new_visitor, started):
    with new_visitor() as visitor:
        page, address = visitor.page, f"{uuid4().hex}@example.com"
        add_sensor(page)
        visitor.open("/accounts/signup/")
        page.locator("input[name=email]").fill(address)
        page.locator("input[name=password1]").fill("12345678")
        click(page, "Create the account")
        page.locator("[role=alert]").wait_for()
        assert visitor.faults() == []
        page.locator("input[name=password1]").fill(PASSWORD)
        click(page, "Create the account")
        page.locator("input[name=code]").wait_for()
        page.get_by_text("This is development").wait_for()  # It says where the mail is.
        assert visitor.faults() == []
        page.locator("input[name=code]").fill(mailed_code(started, address))
        click(page, "Confirm")
        page.wait_for_url(f"{visitor.url}/")
        add_passkey(page, visitor.url)
        assert visitor.faults() == []
        page.context.clear_cookies()
        visitor.open("/accounts/login/")
        sign_in(page, address)
        page.locator("#mfa_webauthn_authenticate").wait_for()
        assert visitor.faults() == []


def test_the_pages_of_a_reset(new_visitor, env, started):
    with new_visitor() as visitor:
        page, address = visitor.page, env["DEMO_USERNAME"]
        visitor.open("/accounts/password/reset/")
        page.locator("input[name=email]").fill(address)
        page.locator("main form button[type=submit]").first.click()
        page.locator("input[name=code]").wait_for()
        assert visitor.faults() == []
        page.locator("input[name=code]").fill(mailed_code(started, address))
        click(page, "Confirm")
        page.locator("input[name=password1]").wait_for()
        assert visitor.faults() == []


def test_the_page_of_an_invitation(anonymous, started):
    code = "from accounts.views import invitation_url as url; print(url('invited@example.com'))"
    manage = started / "authorization_server" / "manage.py"
    command = [started / ".venv" / "bin" / "python", manage, "shell", "--verbosity", "0", "-c"]
    link = subprocess.run([*command, code], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert anonymous.open(link.strip().removeprefix(anonymous.url)) == []
    assert anonymous.page.locator("input[name=email]").input_value() == "invited@example.com"


def test_the_pages_of_a_refused_form(new_visitor, started):
    with new_visitor() as visitor:
        page, address = visitor.page, f"{uuid4().hex}@example.com"
        visitor.open("/accounts/login/")
        page.context.clear_cookies()
        sign_in(page, address)
        page.get_by_role("heading", name="The form could not be sent").wait_for()
        assert visitor.faults() == []
        visitor.open("/accounts/login/")
        with locked(started):
            sign_in(page, address)
            page.get_by_role("heading", name="Not available at the moment").wait_for()
        assert visitor.faults() == []
        for _ in range(2):  # One mail in ten seconds.
            visitor.open("/accounts/signup/")
            page.locator("input[name=email]").fill(address)
            page.locator("input[name=password1]").fill(PASSWORD)
            click(page, "Create the account")
            page.locator("input[name=code], main > .alert").first.wait_for()
            page.context.clear_cookies()
        page.get_by_role("heading", name="Try again later").wait_for()
        assert visitor.faults() == []


@contextmanager
def locked(project):
    """Refuse writes to the database of the authorization server until the block ends."""
    path = project / "var" / "authorization_server.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_the_pages_of_an_app_that_is_removed_and_of_a_deleted_account(new_visitor, started):
    with new_visitor() as visitor:
        page = visitor.page
        sign_up(page, visitor.url, started, f"{uuid4().hex}@example.com")
        add_app(page, visitor.url)
        assert visitor.faults() == []
        assert visitor.open("/accounts/2fa/totp/deactivate/") == []
        click(page, "Deactivate")
        page.get_by_text("sign out everywhere else").wait_for()
        assert visitor.faults() == []
        visitor.open("/accounts/delete/")
        click(page, "Delete the account")
        page.get_by_role("heading", name="Your account is deleted").wait_for()
        assert visitor.faults() == []


def test_the_pages_of_a_device(person, env):
    asked = {"client_id": env["DEMO_DEVICE_CLIENT_ID"], "scope": "orders:read"}
    device = requests.post(f"{person.url}/o/device-authorization/", asked, timeout=60).json()
    assert person.open("/o/device/") == []
    person.page.get_by_label("Code").fill(device["user_code"])
    click(person.page, "Continue")
    person.page.get_by_role("button", name="Deny").wait_for()
    assert person.faults() == []
    click(person.page, "Deny")
    person.page.get_by_role("heading", name="Request denied").wait_for()
    assert person.faults() == []


@pytest.mark.parametrize("name", ["ORDERS", "INVENTORY"])
def test_the_documentation_of_an_api(anonymous, env, name):
    page, url = anonymous.page, env[f"{name}_URL"]
    page.goto(f"{url}/api/docs/")
    page.get_by_role("button", name="Authorize").wait_for()
    assert anonymous.faults(url) == []


def test_the_documentation_of_an_operation(anonymous, env):
    page, url = anonymous.page, env["ORDERS_URL"]
    page.goto(f"{url}/api/docs/")
    operation = page.locator("#operations-items-items_create")
    operation.get_by_role("button").first.click()
    click(operation, "Try it out")
    click(operation, "Execute")
    operation.locator(".live-responses-table").wait_for()
    assert anonymous.faults(url) == []
    assert page.url.endswith("#/items/items_create")
    page.locator(".btn.authorize.unlocked").first.click()
    page.locator(".close-modal").get_by_role("img", name="Close").wait_for()
    assert anonymous.faults(url) == []
