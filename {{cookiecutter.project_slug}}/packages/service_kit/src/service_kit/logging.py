"""The LOGGING of every service: readable lines in development, JSON lines in production."""

import logging
import os
import subprocess
import sys
from logging.config import dictConfig
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

LEVELS = ("INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL")
FORMATTERS = {
    "text": {"format": "%(levelname)s %(name)s [%(request_id)s]: %(message)s"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": ["asctime", "levelname", "name", "request_id", "message"],
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        "rename_fields": {
            "asctime": "time",
            "levelname": "level",
            "name": "logger",
            "exc_info": "traceback",
        },
        # The representation of a request shows its query, which may hold a token.
        "reserved_attrs": [*RESERVED_ATTRS, "request"],
    },
}


class NoTracebackOfRefusals(logging.Filter):
    """Remove the traceback of responses below 500: a bad request is not an error of the service."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
        return True


def logging_config(level: str, *, json: bool) -> dict[str, Any]:
    """Return the value of LOGGING.

    Args:
        level: One of `LEVELS`, for the code of the project. The libraries that write tokens and
            queries at DEBUG stay at INFO.
        json: One JSON object per line, otherwise lines for people.
    """
    libraries = {"level": "INFO" if level == "DEBUG" else level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "service_kit.request_id.RequestIdFilter"},
            "refusals": {"()": "service_kit.logging.NoTracebackOfRefusals"},
        },
        "formatters": FORMATTERS,
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "filters": ["request_id", "refusals"],
                "formatter": "json" if json else "text",
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], **libraries},
            # For people, service_kit.worker writes one line for each request, refused or not.
            "django.request": {"level": level if json or level == "CRITICAL" else "ERROR"},
            # Security events, at every level.
            "security": {"level": "INFO"},
            "oauth2_provider": libraries,
            "oauthlib": libraries,
            # It writes six lines whenever expired tokens are deleted.
            "oauth2_provider.models": {"level": "WARNING"},
        },
    }


if __name__ == "__main__":  # python -m service_kit.logging PROGRAM: log what a step prints
    if os.environ.get("ENVIRONMENT") == "development":
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
    dictConfig(logging_config("INFO", json=True))
    log, pipe, merged = logging.getLogger("step"), subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(sys.argv[1:], stdout=pipe, stderr=merged, encoding="utf-8") as process:  # noqa: S603
        for line in process.stdout or ():
            if line.startswith("{"):  # The program has logged it.
                sys.stderr.write(line)
            elif line.strip():
                log.info(line.rstrip())
    if process.returncode:
        log.error("The step has ended with exit code %d.", process.returncode)
    sys.exit(process.returncode)
