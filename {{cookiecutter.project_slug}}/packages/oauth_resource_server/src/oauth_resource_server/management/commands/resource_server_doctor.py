"""Report what is wrong between this resource server and its issuers."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from oauth_resource_server.doctor import Level, examine


class Command(BaseCommand):
    """Print one line for each step; exit with code 1 if one of them is a problem."""

    help = "Ask each issuer with the real credentials; report problems and the setting to change."
    requires_system_checks = ()  # The doctor reports them.

    def add_arguments(self, parser: CommandParser) -> None:
        # As an argument, the token would be shown in the list of processes.
        text = "read an access token from the standard input, and say why it is refused"
        parser.add_argument("--token", action="store_true", help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        styles = {Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}
        problems = 0
        for finding in examine(sys.stdin.read().strip() if options["token"] else None):
            self.stdout.write(styles.get(finding.level, str)(str(finding)))
            problems += finding.level is Level.PROBLEM
        if problems:
            raise CommandError(f"{problems} problem{'s' if problems > 1 else ''}, see above.")
