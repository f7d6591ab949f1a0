"""Mail in development: a file for each message, and the message in the log."""

import logging
from typing import Any

from django.core.mail.backends import filebased

logger = logging.getLogger("mail")


class FileBackend(filebased.EmailBackend):
    def write_message(self, message: Any) -> None:
        super().write_message(message)
        recipients = ", ".join(message.to)
        logger.info("to %s: %s\n\n%s\n", recipients, message.subject, message.body)
