import logging
from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections

from client_registry.expiry import clear

logger = logging.getLogger("clear_tokens")


class Command(BaseCommand):
    help = "Delete tokens, grants and device codes that have expired: once, or repeatedly."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=int, metavar="SECONDS", help="repeat it after this number of seconds"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        every = options["every"]
        if every is None:
            return self.clear()
        while True:
            # SIGTERM may end it anywhere: a batch is one transaction.
            try:
                self.clear()
            except DatabaseError as error:
                logger.error("failed, next time in %d s: %s", every, " ".join(str(error).split()))
            close_old_connections()
            sleep(every)

    def clear(self) -> None:
        """Do it once, and log it."""
        start = monotonic()
        clear()
        logger.info("deleted what has expired in %.1f s", monotonic() - start)
