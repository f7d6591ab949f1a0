from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from service_kit import env


class Command(BaseCommand):
    help = "Create the user DEMO_USERNAME with DEMO_PASSWORD, in development only."

    def handle(self, *args: Any, **options: Any) -> None:
        email = env.text("DEMO_USERNAME", "")
        user = User.objects.filter(email=email).first()
        if settings.ENVIRONMENT != "development":
            # Its password is in the .env of a developer.
            if user and user.is_active:
                raise CommandError(f"{email} is a demo user, and active: deactivate it.")
            self.stdout.write("demo user: none, outside of development")
        elif not email:
            self.stdout.write("demo user: none, DEMO_USERNAME is not set")
        else:
            self.stdout.write(f"demo user: {self.ensure(user, email)}, {email}")

    def ensure(self, user: User | None, email: str) -> str:
        """Create or update the user. Return "created", "updated" or "unchanged"."""
        try:
            password = env.secret("DEMO_PASSWORD")
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        if user is None:
            try:
                User.objects.create_user(email, password, verified=True, name="Demo")
            except ValidationError as error:
                raise CommandError(f"DEMO_USERNAME: {' '.join(error.messages)}") from error
            return "created"
        if user.is_active and user.check_password(password):
            return "unchanged"
        user.is_active = True
        user.set_password(password)
        user.save()
        return "updated"
