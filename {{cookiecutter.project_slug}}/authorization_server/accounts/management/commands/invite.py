from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from accounts.models import User
from accounts.views import invitation_url

TEXT = """You are invited to make an account at {name}. This link is for your address, for a week:

{url}
"""


class Command(BaseCommand):
    help = "Mail a link with which a person makes an account (SIGN_UP=invitation), and print it."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("email", metavar="EMAIL")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email}: {' '.join(error.messages)}") from error
        if settings.SIGN_UP == "closed":
            raise CommandError("SIGN_UP is closed: set it to `invitation`.")
        if User.objects.filter(email=email).exists():
            raise CommandError(f"{email} has an account.")
        url, name = invitation_url(email), settings.PROJECT_NAME
        send_mail(f"[{name}] Invitation", TEXT.format(name=name, url=url), None, [email])
        self.stdout.write(url)
