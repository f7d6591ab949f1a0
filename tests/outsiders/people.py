"""What people do in a browser: make an account, sign in, use a passkey."""

import base64
import hmac
import json
import re
import time

PASSWORD = "correct horse battery staple"
SENSOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
CODE = re.compile(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", re.MULTILINE)
SECONDS = 60
CONSENT = "button[name=allow]"


def click(page, name):
    """Click the button `name`."""
    page.get_by_role("button", name=name, exact=True).click()


def add_sensor(page):
    """Give the device of `page` a sensor for fingerprints, on which a finger always lies."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": SENSOR})


def mailed_code(project, address):
    """Wait for a mail with a code to `address`; return the code, and delete the mail."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for path in (project / "var" / "mail").glob("*"):
            text = path.read_text(encoding="utf-8")
            if f"To: {address}" in text and (found := CODE.search(text)):
                path.unlink()
                return found[0]
        time.sleep(0.1)
    raise TimeoutError(f"no mail with a code to {address}")


def sign_up(page, url, project, address):
    """Make an account; the page is then the home page of the authorization server."""
    page.goto(f"{url}/accounts/signup/")
    page.locator("input[name=email]").fill(address)
    page.locator("input[name=password1]").fill(PASSWORD)
    click(page, "Create the account")
    page.locator("input[name=code]").fill(mailed_code(project, address))
    click(page, "Confirm")
    page.wait_for_url(f"{url}/")


def sign_in(page, address):
    """Fill in the sign-in page."""
    page.get_by_label("E-mail").fill(address)
    page.get_by_label("Password").fill(PASSWORD)
    click(page, "Sign in")


def add_passkey(page, url):
    """Add a passkey; the page then shows that there are recovery codes."""
    page.goto(f"{url}/accounts/2fa/webauthn/add/")
    page.get_by_label("Name").fill("This telephone")
    page.locator("input[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    page.wait_for_url("**/recovery-codes/**")


def totp(secret, *used):
    """Wait for a code of an authenticator app that is none of `used`; return it (RFC 6238)."""
    key = base64.b32decode(secret)
    while True:
        counter = int(time.time() // 30).to_bytes(8, "big")
        digest = hmac.digest(key, counter, "sha1")
        number = int.from_bytes(digest[(start := digest[-1] & 15) : start + 4], "big") & 0x7FFFFFFF
        if (code := f"{number % 10**6:06}") not in used:
            return code
        time.sleep(0.5)


def add_app(page, url):
    """Add an authenticator app; return its secret and the code that was used."""
    page.goto(f"{url}/accounts/2fa/totp/activate/")
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("input[name=code]").fill(code := totp(secret))
    click(page, "Activate")
    page.wait_for_url("**/recovery-codes/**")
    return secret, code


def id_token(page, example):
    """Come back to the example, through the consent page if there is one; return its ID token."""
    output = page.locator("#output:has-text('sub')")
    page.locator(CONSENT).or_(output).wait_for()
    if page.locator(CONSENT).is_visible():
        page.click(CONSENT)
    page.wait_for_url(example)
    output.wait_for()
    token = page.evaluate("manager.getUser().then((user) => user.id_token)")
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
