from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from oauth2_provider.settings import oauth2_settings

from accounts.apps import use_signing_keys
from accounts.signing_key import add_next_key, ensure_signing_key, rotate_signing_key


class Command(BaseCommand):
    help = "Generate the key that signs ID tokens, unless it exists."
    # A system check (accounts.E001) fails while there is no key.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--next", action="store_true", help="publish the key that signs after --rotate"
        )
        parser.add_argument(
            "--rotate", action="store_true", help="sign by it, and keep the public key before it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.OIDC_RSA_PRIVATE_KEY_FILE
        if oauth2_settings.OIDC_RSA_PRIVATE_KEY and not path.exists():
            self.stdout.write("signing key: the one in OIDC_RSA_PRIVATE_KEY")
            if options["rotate"] or options["next"]:
                raise CommandError(f"Unset OIDC_RSA_PRIVATE_KEY: a rotation needs the file {path}.")
            return
        if (options["rotate"] or options["next"]) and path.exists():
            self.rotate(path, options["next"])
            return
        try:
            made = ensure_signing_key(path)
        except OSError as error:
            raise CommandError(f"The signing key cannot be written: {error}") from error
        if made:
            # The next commands may run in this process, as those of `make run` do.
            use_signing_keys()
        self.stdout.write(f"signing key: {'created' if made else 'unchanged'}, {path}")

    def rotate(self, path: Path, is_first: bool) -> None:
        """Change the keys. ID tokens stay hints for a sign-out as long as their refresh tokens."""
        try:
            if is_first:
                add_next_key(path)
            else:
                rotate_signing_key(path, settings.OAUTH2_PROVIDER["REFRESH_TOKEN_EXPIRE_SECONDS"])
        except (OSError, ValueError) as error:
            raise CommandError(f"The signing key cannot be rotated: {error}.") from error
        self.stdout.write(f"signing key: {'next one published' if is_first else 'rotated'}, {path}")
