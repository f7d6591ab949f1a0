"""The pages of django-allauth as this server has them, and what each of them refuses."""

import re
import time
from datetime import timedelta
from io import StringIO

import pytest
from accounts import adapter
from accounts.hashers import PasswordHasher
from accounts.models import CacheEntry, User
from accounts.views import invitation_url
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa import signals
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from tests.flows import Browser, is_active

pytest_plugins = ["tests.recorded"]

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "another horse battery staple"
EMAIL = "carol@example.com"


@pytest.fixture
def carol(db):
    """Return a person who has a password."""
    return User.objects.create_user(EMAIL, PASSWORD, verified=True)


@pytest.fixture
def person(registered):
    """Return a browser without a session."""
    return Browser()


def sign_in(browser, email=EMAIL, password=PASSWORD, **fields):
    return browser.post("/accounts/login/", {"login": email, "password": password} | fields)


def sign_up(browser, email="new@example.com", **fields):
    return browser.post("/accounts/signup/", {"email": email, "password1": PASSWORD} | fields)


def code():
    """Return the code in the newest mail."""
    return re.search(r"^([A-Z0-9]{4}-[A-Z0-9]{4})$", mail.outbox[-1].body, re.MULTILINE)[1]


def records(browser, user):
    """Return the authentication records of the session."""
    request = type("Request", (), {"session": browser.session})
    return get_authentication_records(request, user)


# ---- Sign-up ----


def test_a_person_signs_up_with_the_code_of_the_mail(person):
    response = sign_up(person, next="/o/device/")
    assert response["Location"] == "/accounts/confirm-email/"
    assert not person.session.get("_auth_user_id")
    response = person.post("/accounts/confirm-email/", {"code": code()})
    assert response["Location"] == "/o/device/"
    user = User.objects.get()
    assert (user.email, user.unverified_since) == ("new@example.com", None)
    assert person.session["_auth_user_id"] == str(user.pk)


def test_a_wrong_code_signs_nobody_up(person):
    sign_up(person)
    for _ in range(3):
        person.post("/accounts/confirm-email/", {"code": "AAAA-AAAA"})
    person.post("/accounts/confirm-email/", {"code": code()})
    assert "_auth_user_id" not in person.session


def test_a_known_address_is_not_told_from_an_unknown_one(person, carol):
    assert sign_up(person, EMAIL)["Location"] == sign_up(Browser())["Location"]
    assert User.objects.count() == 2
    assert [message.to for message in mail.outbox] == [[EMAIL], ["new@example.com"]]


@pytest.mark.parametrize("email", [EMAIL, "new@example.com"])
def test_a_sign_up_takes_one_hash_whether_the_address_is_known_or_new(
    person, carol, email, monkeypatch
):
    hashed, encode = [], PasswordHasher.encode
    monkeypatch.setattr(
        PasswordHasher, "encode", lambda *args: hashed.append(args[1]) or encode(*args)
    )
    sign_up(person, email)
    sign_up(Browser(), EMAIL)  # without a mail, of which there is one in three minutes
    assert hashed == [PASSWORD, PASSWORD]


@pytest.mark.parametrize("sign_up_is", ["closed", "invitation"])
def test_a_closed_sign_up_is_neither_open_nor_linked(person, settings, sign_up_is):
    settings.SIGN_UP = sign_up_is
    assert sign_up(person).status_code == 200
    assert not User.objects.exists()
    assert "/accounts/signup/" not in person.get("/accounts/login/").text


@pytest.fixture
def invited(settings):
    settings.SIGN_UP = "invitation"
    settings.AUTHORIZATION_SERVER_URL = ""
    return invitation_url("New@example.com")


def test_an_invited_person_needs_no_code(person, invited):
    assert "email=new%40example.com" in person.get(invited)["Location"]
    assert sign_up(person)["Location"] == "/"
    assert EmailAddress.objects.get().verified


def test_an_invitation_is_for_one_address(person, invited):
    person.get(invited)
    assert "another address" in sign_up(person, "other@example.com").text
    assert not User.objects.exists()


@pytest.mark.parametrize("change", [lambda url: url[:-1], lambda url: url + "x"])
def test_a_forged_invitation_is_refused(person, invited, change):
    assert person.get(change(invited)).status_code == 404
    assert sign_up(person).status_code == 200
    assert not User.objects.exists()


def test_a_wrong_invitation_leads_to_the_sign_up_that_is_open(person):
    assert person.get("/accounts/invitation/?token=x")["Location"] == "/accounts/signup/"


def test_an_invitation_ends_after_a_week(person, invited, monkeypatch):
    monkeypatch.setattr("accounts.views.INVITATION_SECONDS", -1)
    assert person.get(invited).status_code == 404


def test_invite_mails_the_link(person, settings):
    settings.SIGN_UP = "invitation"
    call_command("invite", "new@example.com", stdout=(output := StringIO()))
    assert output.getvalue().strip() in mail.outbox[0].body


@pytest.mark.parametrize(("email", "message"), [("x", "valid"), (EMAIL, "has an account")])
def test_invite_refuses(carol, settings, email, message):
    settings.SIGN_UP = "invitation"
    with pytest.raises(CommandError, match=message):
        call_command("invite", email)


def test_invite_refuses_while_sign_up_is_closed(db, settings):
    settings.SIGN_UP = "closed"
    with pytest.raises(CommandError, match="SIGN_UP"):
        call_command("invite", "new@example.com")


def test_an_unverified_sign_up_is_deleted_after_a_day(person, carol):
    sign_up(person)
    call_command("clear_tokens")
    assert User.objects.count() == 2
    a_day_ago = timezone.now() - timedelta(days=1)
    User.objects.exclude(pk=carol.pk).update(unverified_since=a_day_ago)
    call_command("clear_tokens")
    assert User.objects.get() == carol


# ---- Sign-in ----


def test_the_page_names_the_application(person):
    page = person.get(person.authorize()["Location"]).text
    assert 'Sign in to <span class="name">' in page
    assert 'type="email"' in page


@pytest.mark.parametrize(
    "next_",
    ["/o/authorize/?client_id=unknown", "/o/authorize/", "/", "//evil.example/o/authorize"],
)
def test_the_page_names_no_application_that_is_unknown(person, next_):
    assert "Sign in to" not in person.get("/accounts/login/", {"next": next_}).text


def test_the_page_names_no_application_that_is_deactivated(person):
    from client_registry.models import RegisteredClient

    RegisteredClient.objects.update(is_active=False)
    address = "/accounts/login/?next=/o/authorize/%3Fclient_id%3Ddemo-browser"
    assert "Sign in to" not in person.get(address).text


def test_the_link_to_the_reset_keeps_next(person):
    page = person.get("/accounts/login/?next=/o/device/%3Fa%3D1%26b%3D2").text
    assert "/accounts/password/reset/?next=%2Fo%2Fdevice%2F%3Fa%3D1%26b%3D2" in page


def test_an_unverified_address_needs_a_code(person):
    User.objects.create_user(EMAIL, PASSWORD)
    assert sign_in(person)["Location"] == "/accounts/confirm-email/"
    assert "_auth_user_id" not in person.session


def test_a_second_request_while_a_code_is_awaited_is_the_one_that_counts(person):
    User.objects.create_user(EMAIL, PASSWORD)
    sign_in(person, next="/o/device/?first")
    CacheEntry.objects.all().delete()  # One mail in ten seconds.
    sign_in(person, next="/o/device/?second")
    response = person.post("/accounts/confirm-email/", {"code": code()})
    assert response["Location"] == "/o/device/?second"


def test_another_host_gets_no_mail_of_its_own(person, carol, settings):
    settings.ALLOWED_HOSTS = ["*"]
    form = {"email": "unknown@example.com"}
    person.post("/accounts/password/reset/", form, headers={"Host": "evil.example"})
    [message] = mail.outbox
    assert "evil" not in message.subject + message.body
    assert "http://localhost:8000/accounts/signup/" in message.body
    assert message.body.split()[-1] == "http://localhost:8000"


def test_somebody_who_signs_in_as_another_person_is_that_person(person, carol, bob):
    person.force_login(bob)
    sign_in(person)
    assert person.session["_auth_user_id"] == str(carol.pk)
    assert [record["method"] for record in records(person, carol)] == ["password"]


def test_a_sign_up_is_an_authentication(person):
    sign_up(person)
    person.post("/accounts/confirm-email/", {"code": code()})
    assert [record["method"] for record in records(person, User.objects.get())] == ["password"]


def test_sessions_of_a_person_are_few(carol, monkeypatch):
    monkeypatch.setattr(adapter, "MAX_SESSIONS", 2)
    browsers = [Client() for _ in range(3)]
    for browser in browsers:
        sign_in(browser)
    assert UserSession.objects.count() == 2
    assert ["Signed in" in browser.get("/").text for browser in browsers] == [False, True, True]


def test_without_mail_there_is_no_reset(person, settings):
    settings.SENDS_MAIL = False
    assert "/password/reset/" not in person.get("/accounts/login/").text


def test_a_mail_server_that_is_away_is_503(person, carol, monkeypatch):
    def fail(*args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", fail)
    response = person.post("/accounts/password/reset/", {"email": EMAIL})
    assert response.status_code == 503
    assert "The mail could not be sent." in response.text


# ---- Limits ----


def test_a_stranger_does_not_keep_the_owner_from_a_reset(carol):
    strangers = [
        Client(REMOTE_ADDR="198.51.100.1").post("/accounts/password/reset/", {"email": EMAIL})
        for _ in range(21)
    ]
    assert [response.status_code for response in strangers][-2:] == [302, 429]
    owner = Client(REMOTE_ADDR="192.0.2.1").post("/accounts/password/reset/", {"email": EMAIL})
    assert owner.status_code == 302


def test_people_behind_a_proxy_are_several(carol, settings):
    settings.TRUST_PROXY_HEADERS = True
    for number in range(22):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        response = Client().post("/accounts/password/reset/", {"email": EMAIL}, headers=headers)
        assert response.status_code == 302


def test_a_sender_without_an_address_can_sign_in(carol):
    assert sign_in(Client(REMOTE_ADDR=""))["Location"] == "/"


def test_strangers_store_no_form(client, db):
    response = client.post("/accounts/2fa/webauthn/add/", {"password": "x" * 1000})
    assert response["Location"] == "/accounts/2fa/webauthn/add/"
    assert not Session.objects.exists()


# ---- Password, address, sessions, deletion ----


@pytest.fixture
def signed_in(person, carol):
    """Return a browser in which Carol has just signed in."""
    sign_in(person)
    return person


def test_a_reset_ends_sessions_and_tokens(signed_in, carol):
    token = signed_in.tokens().json()["access_token"]
    other = Client()
    other.post("/accounts/password/reset/", {"email": EMAIL})
    other.post("/accounts/password/reset/confirm/", {"code": code()})
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    other.post("/accounts/password/reset/complete/", form)
    assert not is_active(token)
    assert "Signed in" not in signed_in.get("/").text
    assert sign_in(Client(), password=NEW_PASSWORD)["Location"] == "/"


def test_a_change_ends_other_sessions_and_tokens(signed_in, carol):
    other = Client()
    sign_in(other)
    token = signed_in.tokens().json()["access_token"]
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert signed_in.post("/accounts/password/change/", form).status_code == 302
    assert not is_active(token)
    assert "Signed in" not in other.get("/").text
    assert "Signed in" in signed_in.get("/").text


def test_signing_out_everywhere_ends_sessions_and_tokens(signed_in, carol):
    other, unlisted = Client(), Client()
    sign_in(other)
    unlisted.force_login(carol)
    token = signed_in.tokens().json()["access_token"]
    signed_in.post("/accounts/sessions/")
    assert not is_active(token)
    assert ["Signed in" in each.get("/").text for each in (signed_in, other, unlisted)] == [
        True,
        False,
        False,
    ]
    assert UserSession.objects.get().session_key == signed_in.session.session_key


def test_an_address_changes_when_the_new_one_is_verified(signed_in, carol):
    signed_in.post("/accounts/email/", {"email": "carol@example.org", "action_add": ""})
    assert User.objects.get().email == EMAIL
    signed_in.post("/accounts/confirm-email/", {"code": code()})
    assert User.objects.get().email == "carol@example.org"
    assert [address.email for address in EmailAddress.objects.all()] == ["carol@example.org"]


def test_an_account_is_deleted_with_everything(signed_in, carol):
    token = signed_in.tokens().json()["access_token"]
    assert "Delete your account?" in signed_in.get("/accounts/delete/").text
    assert "is deleted" in signed_in.post("/accounts/delete/").text
    assert not is_active(token)
    assert not User.objects.exists()


@pytest.mark.parametrize("path", ["/accounts/delete/", "/accounts/2fa/totp/activate/"])
def test_the_password_is_asked_for_again_after_a_while(signed_in, carol, monkeypatch, path):
    now = time.time()
    monkeypatch.setattr(adapter.time, "time", lambda: now + 301)
    assert (
        signed_in.get(path)["Location"]
        == f"/accounts/reauthenticate/?next={path.replace('/', '%2F')}"
    )
    assert signed_in.post(path)["Location"] == path
    assert User.objects.exists()


def test_a_stranger_deletes_nothing(client, carol):
    assert client.post("/accounts/delete/")["Location"].startswith("/accounts/login/")
    assert User.objects.exists()


def test_password_managers_find_the_page(client):
    response = client.get("/.well-known/change-password")
    assert (response.status_code, response["Location"]) == (302, "/accounts/password/change/")


# ---- Second factor ----


@pytest.fixture
def secret(carol):
    """Return the secret of the authenticator app of Carol."""
    return TOTP.activate(carol, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").instance


def totp():
    counter = next(yield_hotp_counters_from_time())
    return format_hotp_value(hotp_value("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", counter))


def test_a_second_factor_is_asked_for_and_next_is_kept(person, carol, secret):
    assert sign_in(person, next="/o/device/")["Location"] == "/accounts/2fa/authenticate/"
    assert "_auth_user_id" not in person.session
    assert person.post("/accounts/2fa/authenticate/", {"code": totp()})["Location"] == "/o/device/"


def test_a_code_is_good_once(person, carol, secret):
    used = totp()
    for browser, status in ((person, 302), (Client(), 200)):
        sign_in(browser)
        assert browser.post("/accounts/2fa/authenticate/", {"code": used}).status_code == status


def test_wrong_codes_are_limited(person, carol, secret):
    sign_in(person)
    for _ in range(5):
        person.post("/accounts/2fa/authenticate/", {"code": "000000"})
    response = person.post("/accounts/2fa/authenticate/", {"code": totp()})
    assert "Too many failed" in response.text


def test_somebody_who_is_signed_in_is_asked_for_the_second_factor_too(signed_in, secret):
    address = signed_in.authorize(prompt="login")["Location"]
    next_ = address.partition("next=")[2]
    assert sign_in(signed_in, next=next_)["Location"] == "/accounts/2fa/authenticate/"
    assert "Two-Factor" in signed_in.get("/accounts/2fa/authenticate/").text


def test_removing_it_ends_nothing_and_offers_to_sign_out_everywhere(signed_in, secret):
    token = signed_in.tokens().json()["access_token"]
    page = signed_in.post("/accounts/2fa/totp/deactivate/", follow=True).text
    assert not Authenticator.objects.exists()
    assert "Then sign out everywhere else" in page
    assert is_active(token)


def test_secrets_are_encrypted(carol, secret):
    assert "JBSWY3DP" not in str(Authenticator.objects.get().data)


def test_a_former_key_still_decrypts(settings):
    encrypted = mfa_adapter().encrypt("secret")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key"
    assert mfa_adapter().decrypt(encrypted) == "secret"


def test_no_code_is_right_when_the_key_is_unknown(person, carol, secret, settings):
    settings.SECRET_KEY = "a new key"
    sign_in(person)
    assert person.post("/accounts/2fa/authenticate/", {"code": totp()}).status_code == 200


def test_a_passkey_belongs_to_the_public_address(settings):
    assert mfa_adapter().get_public_key_credential_rp_entity() == {
        "id": "localhost",
        "name": settings.PROJECT_NAME,
    }


@pytest.mark.parametrize("page", ["", "{}/edit/", "{}/remove/"])
def test_a_passkey_has_one_name_on_our_pages(signed_in, carol, page):
    passkey = Authenticator.objects.create(user=carol, type="webauthn", data={"name": "Telephone"})
    text = signed_in.get(f"/accounts/2fa/webauthn/{page and 'keys/'}{page.format(passkey.pk)}").text
    assert "Telephone" in text
    assert "passkey" in text
    assert "security key" not in text.lower()


@pytest.mark.parametrize("page", ["login", "signup", "password/reset"])
def test_an_e_mail_address_has_one_name_in_forms(person, page):
    text = person.get(f"/accounts/{page}/").text
    assert re.findall("<label.*>(E-?mail.*)</label>", text) == ["E-mail address"]


def test_one_host_name_is_used_in_development(client, db):
    response = client.get("/accounts/login/?next=/", headers={"Host": "127.0.0.1:8000"})
    assert response["Location"] == "http://localhost:8000/accounts/login/?next=/"


# ---- Administration ----


@pytest.fixture
def root(client, db):
    """Return a browser of an administrator."""
    user = User.objects.create_superuser("root@example.com")
    client.force_login(user)
    return client


def test_an_administrator_sees_no_secret(root, carol, secret):
    page = root.get(f"/admin/mfa/authenticator/{secret.pk}/change/").text
    assert EMAIL in page
    assert "secret" not in page
    assert secret.data["secret"] not in page


@pytest.mark.parametrize("page", ["accounts/user", "mfa/authenticator", "usersessions/usersession"])
def test_a_search_finds(root, carol, secret, page):
    sign_in(Client())
    assert root.get(f"/admin/{page}/", {"q": "carol"}).status_code == 200


def test_an_address_that_an_administrator_changes_is_verified(root, carol):
    page = f"/admin/accounts/user/{carol.pk}/change/"
    assert root.post(page, {"email": "carol@example.org", "is_active": "on"}).status_code == 302
    assert EmailAddress.objects.get(user=carol).email == "carol@example.org"
    assert sign_in(Client(), "carol@example.org")["Location"] == "/"
    assert sign_in(Client()).status_code == 200


def test_a_person_who_is_not_staff_is_refused(client, carol):
    client.force_login(carol)
    assert client.get("/admin/login/").status_code == 403


# ---- Security events ----


@pytest.fixture
def events(caplog, lines):
    """Return a function that returns the names of the events since its last call."""
    caplog.set_level("INFO", "security")

    def events():
        names = [line["event"] for line in lines()]
        caplog.clear()
        return names

    return events


def test_a_sign_up_is_an_event(person, events):
    sign_up(person)
    assert events() == ["sign-up"]


def test_changes_of_an_account_are_events(signed_in, carol, events):
    events()
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    signed_in.post("/accounts/password/change/", form)
    signed_in.post("/accounts/email/", {"email": "carol@example.org", "action_add": ""})
    signed_in.post("/accounts/confirm-email/", {"code": code()})
    signed_in.post("/accounts/delete/")
    assert events() == ["password-changed", "email-changed", "sign-out", "account-deleted"]


def test_a_second_factor_is_an_event(signed_in, carol, secret, events):
    events()
    # allauth sends it when the transaction ends, which a test never does.
    signals.authenticator_added.send(Authenticator, user=carol, authenticator=secret)
    signed_in.post("/accounts/2fa/totp/deactivate/")
    assert events() == ["factor-added", "factor-removed"]


def test_a_wrong_second_factor_is_an_event(person, carol, secret, events):
    sign_in(person)
    events()
    person.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert events() == ["factor-refused"]


def test_a_wrong_code_of_a_mail_is_an_event(person, carol, events):
    sign_up(person)
    person.post("/accounts/confirm-email/", {"code": "AAAA-AAAA"})
    assert events() == ["sign-up", "code-refused"]
    person.post("/accounts/password/reset/", {"email": EMAIL})
    person.post("/accounts/password/reset/confirm/", {"code": "AAAA-AAAA"})
    assert events() == ["code-refused"]
