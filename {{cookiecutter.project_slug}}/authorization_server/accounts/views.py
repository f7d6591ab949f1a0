"""Pages of accounts that django-allauth does not have."""

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User

SALT = "accounts.invitation"
INVITATION_SECONDS = 7 * 24 * 3600


@login_required
@reauthentication_required(app="")  # type: ignore[untyped-decorator]
@require_http_methods(["GET", "HEAD", "POST"])
def delete_account(request: HttpRequest) -> HttpResponse:
    """Delete the account of the person who is signed in, with its tokens and sessions."""
    if request.method != "POST":
        return render(request, "account/delete.html")
    user = User.objects.get(pk=request.user.pk)
    logout(request)
    user.end_sessions()
    user.delete()
    return render(request, "account/deleted.html")


def invitation_url(email: str) -> str:
    """Return a link with which the owner of an address makes an account, for a week.

    The token is in the query, which the proxy does not log.
    """
    query = urlencode({"token": signing.dumps(email.strip().lower(), salt=SALT)})
    return f"{settings.AUTHORIZATION_SERVER_URL}{reverse('invitation')}?{query}"


@require_safe
def invitation(request: HttpRequest) -> HttpResponse:
    """Lead to the sign-up page for the invited address, which the link verifies."""
    try:
        token = request.GET.get("token", "")
        email = signing.loads(token, salt=SALT, max_age=INVITATION_SECONDS)
    except signing.BadSignature:
        if settings.SIGN_UP == "open":
            return redirect("account_signup")
        return render(request, "account/signup_closed.html", status=404)
    if settings.SIGN_UP == "closed" or User.objects.filter(email=email).exists():
        return redirect("account_login")
    get_adapter().stash_verified_email(request, email)
    return redirect(f"{reverse('account_signup')}?{urlencode({'email': email})}")


@require_safe
def no_mail(request: HttpRequest) -> HttpResponse:
    """Say that a page needs mail, which this server does not send."""
    return render(request, "account/no_mail.html", status=404)
