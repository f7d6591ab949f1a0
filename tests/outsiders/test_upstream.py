"""Sign-in with Google or GitHub in Chromium, from the button to an ID token of this server."""

import re
import subprocess
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from people import PASSWORD, click, id_token, mailed_code, sign_in, sign_up
from playwright.sync_api import expect

NAMES = {"google": "Google", "github": "GitHub"}
pytestmark = pytest.mark.slow


@pytest.fixture(params=NAMES)
def provider(request):
    return request.param


@pytest.fixture
def person(upstream):
    """Return a function that signs a person in there; it returns the address."""

    def person(email="", *, is_verified=True):
        email = email or f"{uuid.uuid4().hex}@example.com"
        upstream.person = (uuid.uuid4().hex, email, is_verified)
        return email

    return person


@pytest.fixture
def page(new_context):
    with new_context() as context:
        yield context.new_page()


def use(page, provider):
    """Press the button of the sign-in page, and then the one that leads away."""
    page.get_by_role("link", name=NAMES[provider]).click()
    click(page, "Continue")


def claims(page, example, provider):
    """Sign in to the example by `provider`; return the claims of the ID token."""
    page.goto(example)
    page.click("#sign-in")
    use(page, provider)
    return id_token(page, example)


def test_a_person_signs_in_and_comes_back(page, new_context, example, provider, person):
    email = person()
    first = claims(page, example, provider)
    assert uuid.UUID(first["sub"]).version == 4
    output = page.locator("#output")
    expect(output).to_contain_text(f'"email": "{email}"')
    expect(output).to_contain_text('"email_verified": true')
    with new_context() as other:
        assert claims(other.new_page(), example, provider)["sub"] == first["sub"]


def test_an_address_that_is_not_verified_there_needs_a_code(page, env, started, provider, person):
    email = person(is_verified=False)
    page.goto(f"{env['AUTHORIZATION_SERVER_URL']}/accounts/login/")
    use(page, provider)
    page.locator("input[name=code]").fill(mailed_code(started, email))
    click(page, "Confirm")
    page.get_by_text(f"Signed in as {email}").wait_for()


def add_account(project, email):
    """Make an account without a mail, as a program that imports people does."""
    code = f"User.objects.create_user({email!r}, {PASSWORD!r}, verified=True)"
    manage = project / "authorization_server" / "manage.py"
    command = [project / ".venv" / "bin" / "python", manage, "shell", "-c"]
    subprocess.run([*command, f"from accounts.models import User; {code}"], check=True)


@pytest.mark.parametrize("is_verified", [False, True])
def test_the_account_of_the_same_address_is_not_taken_over(
    page, new_context, env, started, provider, person, is_verified
):
    url = env["AUTHORIZATION_SERVER_URL"]
    email = person(is_verified=is_verified)
    add_account(started, email)
    page.goto(f"{url}/accounts/login/")
    use(page, provider)
    page.locator("input[name=code]").wait_for()  # As for an address without an account.
    page.goto(url)
    page.get_by_role("link", name="Sign in").wait_for()
    with new_context() as owner:
        again = owner.new_page()
        again.goto(f"{url}/accounts/login/")
        sign_in(again, email)
        again.get_by_text(f"Signed in as {email}").wait_for()


def test_a_person_connects_an_upstream_account(page, env, example, started, provider, person):
    url = env["AUTHORIZATION_SERVER_URL"]
    email = person()
    sign_up(page, url, started, f"{uuid.uuid4().hex}@example.com")
    page.goto(f"{url}/accounts/3rdparty/")
    use(page, provider)
    page.wait_for_url("**/3rdparty/")
    page.context.clear_cookies()
    claims(page, example, provider)
    expect(page.locator("#output")).not_to_contain_text(email)


def test_the_way_back_is_the_public_address(env, provider):
    url = env["AUTHORIZATION_SERVER_URL"]
    path = f"/accounts/{provider}/login/"
    form = requests.get(url + path, timeout=60)
    [token] = re.findall('name="csrfmiddlewaretoken" value="([^"]+)', form.text)
    cookie = "; ".join(f"{each.name}={each.value}" for each in form.cookies)

    def post(host):
        return requests.post(
            url + path,
            {"csrfmiddlewaretoken": token},
            headers={"Host": host, "Cookie": cookie},
            timeout=60,
            allow_redirects=False,
        )

    host = urlsplit(url).netloc.replace("localhost", "127.0.0.1")
    led = post(host).headers["Location"]
    [back] = parse_qs(urlsplit(led).query)["redirect_uri"]
    assert back == f"{url}{path}callback/"
    assert post("evil.example").status_code == 400
