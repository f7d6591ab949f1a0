"""`judge` says what an answer of the authorization server means (RFC 7662 section 2.2)."""

import math
import time

import pytest
from oauth_resource_server import IntrospectionResponseInvalid
from oauth_resource_server.issuers.introspection import judge_response
from oauth_resource_server.issuers.settings import IssuerSettings

ISS = "https://as.example.com"
AUD = "https://orders.example.com"
URL = "https://as.example.com/o/introspect/"
ISSUER = IssuerSettings(iss=ISS, audiences=(AUD,), introspection_url=URL, iss_may_be_missing=False)


def answer(**members):
    """An answer about a good token; `members` replace its members, and `...` removes one."""
    now = int(time.time())
    good = {
        "active": True,
        "scope": "orders:read orders:write",
        "client_id": "shop",
        "token_type": "Bearer",
        "exp": now + 600,
        "iat": now,
        "sub": "alice-uuid",
        "aud": [AUD],
        "iss": ISS,
        "username": "alice",
    } | members
    return {name: value for name, value in good.items() if value is not ...}


def judged(**members):
    return judge_response(answer(**members), ISSUER)


# A token that is good.


@pytest.mark.parametrize("name", ["sub", "client_id", "scope", "username", "iss", "token_type"])
def test_a_token_holds_the_strings_of_the_answer(name):
    assert getattr(judged(), name) == answer()[name]


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a_token_holds_the_times_of_the_answer(name):
    assert getattr(judged(**{name: 4_000_000_000}), name) == 4_000_000_000


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a_time_may_be_a_string_of_digits(name):
    assert getattr(judged(**{name: "4000000000"}), name) == 4_000_000_000


@pytest.mark.parametrize("aud", [AUD, [AUD], ["https://other.example.com", AUD]])
def test_the_audience_may_be_a_string_or_a_list(aud):
    assert AUD in judged(aud=aud).aud


def test_members_that_are_not_known_do_not_matter():
    assert judged(extension_field="twenty-seven", nbf="soon") is not None


@pytest.mark.parametrize("nothing", [..., None])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scope", ""),
        ("exp", None),
        ("iat", None),
        ("username", None),
        ("client_id", ""),
        ("token_type", "Bearer"),
    ],
)
def test_a_member_may_be_missing(name, value, nothing):
    assert getattr(judged(**{name: nothing}), name) == value


def test_a_machine_without_sub_is_known_by_its_client_id():
    assert judged(sub=..., username=...).sub == "shop"


# A token that is not.


def test_an_inactive_token_is_none():
    assert judge_response({"active": False}, ISSUER) is None


def test_nothing_else_about_an_inactive_token_matters():
    assert judged(active=False, exp="never", sub=7) is None


@pytest.mark.parametrize("seconds_ago", [0, 1, 600])
def test_an_expired_token_is_none(seconds_ago):
    assert judged(exp=int(time.time()) - seconds_ago) is None


@pytest.mark.parametrize("iss", [..., None, "", f"{ISS}/", "https://other.example.com"])
def test_a_token_of_another_issuer_is_none(iss):
    assert judged(iss=iss) is None


@pytest.mark.parametrize("aud", [..., None, "", [], f"{AUD}/", ["https://other.example.com"]])
def test_a_token_for_another_audience_is_none(aud):
    assert judged(aud=aud) is None


@pytest.mark.parametrize("sub", [..., None, "", "x" * 256])
def test_a_person_must_have_a_sub_that_fits(sub):
    assert judged(sub=sub) is None


@pytest.mark.parametrize("sub", [..., None, ""])
def test_somebody_must_stand_behind_a_token(sub):
    assert judged(sub=sub, client_id=..., username=...) is None


def test_the_answer_of_a_stock_toolkit_about_a_person_is_of_nobody():
    members = {"scope": "orders:read", "client_id": "shop", "username": "alice"}
    stock = {"active": True, "exp": int(time.time()) + 600} | members
    assert judge_response(stock, IssuerSettings(iss=ISS)) is None


@pytest.mark.parametrize("sub", [..., None, ""])
def test_a_token_that_may_be_a_persons_is_not_taken_for_one_of_its_client(sub):
    strict = IssuerSettings(iss=ISS, is_machine=lambda claims: False)
    assert judge_response(answer(sub=sub, username=...), strict) is None


def test_a_token_that_is_a_machines_by_the_rule_of_its_issuer_is_one_of_its_client():
    lenient = IssuerSettings(iss=ISS, is_machine=lambda claims: True)
    assert judge_response(answer(sub=..., username=...), lenient).sub == "shop"


@pytest.mark.parametrize(("sub", "words"), [(..., "`sub` is missing"), ("x" * 256, "longer than")])
def test_the_log_says_that_it_is_for_want_of_a_sub(caplog, sub, words):
    judged(sub=sub)
    assert [(one.levelname, words in one.getMessage()) for one in caplog.records] == [
        ("WARNING", True)
    ]


@pytest.mark.parametrize("aud", [..., "https://other.example.com"])
def test_any_audience_will_do_where_none_is_configured(aud):
    assert judge_response(answer(aud=aud), IssuerSettings(iss=ISS)) is not None


def test_the_log_says_why_a_token_that_is_active_is_refused(caplog):
    judged(iss="https://other.example.com")
    assert "https://other.example.com" in caplog.text


BOUND = {
    "certificate, RFC 8705": {"cnf": {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}},
    "DPoP, RFC 9449": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
    "an unknown method": {"cnf": {}},
    "DPoP, by its type alone": {"token_type": "DPoP"},
}


@pytest.mark.parametrize("members", BOUND.values(), ids=BOUND)
def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(members, caplog):
    assert judged(**members) is None
    assert "proof of possession is not supported" in caplog.text


def test_a_token_that_is_bound_to_nothing_is_one():
    assert judged(cnf=None, token_type="bearer") is not None


# An answer that is not RFC 7662.


@pytest.mark.parametrize("active", [..., None, 1, "true", "yes", []])
def test_active_must_be_true_or_false(active):
    with pytest.raises(IntrospectionResponseInvalid, match="active"):
        judged(active=active)


@pytest.mark.parametrize("value", [7, True, [7], {"x": "y"}])
@pytest.mark.parametrize("name", ["sub", "client_id", "scope", "username", "iss", "token_type"])
def test_a_string_must_be_a_string(name, value):
    with pytest.raises(IntrospectionResponseInvalid, match=name):
        judged(**{name: value})


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("name", ["sub", "client_id", "scope", "username"])
def test_a_string_must_be_one_that_a_database_can_hold(name, value):
    with pytest.raises(IntrospectionResponseInvalid, match=name):
        judged(**{name: value})


@pytest.mark.parametrize(
    "value",
    [
        True,
        math.nan,
        math.inf,
        4e12,
        -0.1e9,
        "",
        "4e9",
        "-1",
        "soon",
        "٤",
        "9" * 9_999,
        -1,
        4_000_000_000_000,
        [4_000_000_000],
    ],
    ids=lambda value: str(value)[:13],
)
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_a_time_must_be_a_number_of_seconds(name, value):
    with pytest.raises(IntrospectionResponseInvalid, match=name):
        judged(**{name: value})


def test_a_time_may_have_a_fraction_which_is_cut_off():
    assert judged(exp=4_000_000_000.9).exp == 4_000_000_000


@pytest.mark.parametrize("aud", [7, 0, True, False, {}, {"aud": AUD}, [AUD, 7], [[AUD]]])
def test_the_audience_must_be_a_string_or_a_list_of_strings(aud):
    with pytest.raises(IntrospectionResponseInvalid, match="aud"):
        judged(aud=aud)


def test_the_error_holds_the_url():
    with pytest.raises(IntrospectionResponseInvalid) as raised:
        judge_response({}, ISSUER)
    assert raised.value.url == URL


# What other issuers leave out.


def test_an_issuer_may_leave_out_iss():
    lenient = IssuerSettings(iss=ISS, audiences=(AUD,))
    assert judge_response(answer(iss=...), lenient).iss == ISS


def test_what_it_says_must_be_right_all_the_same():
    lenient = IssuerSettings(iss=ISS, audiences=(AUD,))
    assert judge_response(answer(iss="https://other.example.com"), lenient) is None


def test_an_issuer_may_leave_out_aud():
    lenient = IssuerSettings(iss=ISS, audiences=(AUD,), aud_may_be_missing=True)
    assert judge_response(answer(aud=...), lenient) is not None
    assert judge_response(answer(aud="https://other.example.com"), lenient) is None


def test_where_it_may_be_left_out_nobody_is_meant_who_has_no_name():
    nameless = IssuerSettings(iss=ISS, client_ids=("shop",), aud_may_be_missing=True)
    assert judge_response(answer(aud=...), nameless) is not None
    assert judge_response(answer(aud=AUD), nameless) is None


def test_a_token_of_another_client_is_refused():
    assert judge_response(answer(), IssuerSettings(iss=ISS, client_ids=("billing",))) is None


@pytest.mark.parametrize(("typ", "good"), [("Bearer", True), (..., True), ("Refresh", False)])
def test_a_member_that_an_access_token_has_not_is_refused(typ, good):
    keycloak = IssuerSettings(iss=ISS, answer=(("typ", ("Bearer",)),))
    assert (judge_response(answer(typ=typ), keycloak) is not None) is good
