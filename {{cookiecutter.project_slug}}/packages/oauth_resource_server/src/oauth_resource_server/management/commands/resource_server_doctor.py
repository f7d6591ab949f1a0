"""Report what is wrong between this resource server and its issuers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from oauth_resource_server.doctor import Level, examine


class Command(BaseCommand):
    """Print one line for each step; exit with code 1 if one of them is a problem."""

    help = "Ask each issuer with the real credentials; report problems and the setting to change."
    requires_system_checks = ()  # The doctor reports them.

    def handle(self, *args: Any, **options: Any) -> None:
        styles = {Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}
        problems = 0
        for finding in examine():
            self.stdout.write(styles.get(finding.level, str)(str(finding)))
            problems += finding.level is Level.PROBLEM
        if problems:
            raise CommandError(f"{problems} problem{'s' if problems > 1 else ''}, see above.")
