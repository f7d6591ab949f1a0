"""What the doctor says: one line for each thing that it has looked at."""

import os
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

MAX_LENGTH = 500


class Level(StrEnum):
    """How bad it is. Only a problem stops a resource server from doing its work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, and in plain words what was found and what to change."""

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        # Parts of it come from strangers, and must neither move the cursor nor fill the screen.
        text = "".join(one if one.isprintable() else "?" for one in self.text[:MAX_LENGTH])
        return f"{self.level:<8} {self.subject}: {text}"


def ok(subject: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str) -> Finding:
    """Return that something is not as good as it could be."""
    return Finding(Level.WARNING, subject, text)


def problem(subject: str, text: str) -> Finding:
    """Return that something is wrong."""
    return Finding(Level.PROBLEM, subject, text)


def line_of(value: str, suffix: str, setting: str) -> str:
    """Return the name of what to change for another `value`.

    The package does not know how a service reads its environment, but a variable that holds the
    value is where it comes from.

    Args:
        value: What is there now.
        suffix: How the names of such variables end.
        setting: What to name where there is no such variable.
    """
    names = sorted(
        name for name, held in os.environ.items() if name.endswith(suffix) and held == value != ""
    )
    return f"{' or '.join(names)} in .env" if names else f"{setting} in the settings"


def line_of_url(url: str) -> str:
    """Return the name of what to change for another introspection URL."""
    setting = "OAUTH2_PROVIDER['RESOURCE_SERVER_INTROSPECTION_URL']"
    held = origin(url) if "in .env" in line_of(origin(url), "_URL", setting) else url
    return line_of(held, "_URL", setting)


def line_of_issuer(issuer: str) -> str:
    """Return the name of what to change for another issuer."""
    return line_of(issuer, "_URL", "OAUTH_RESOURCE_SERVER['ISSUER']")


def parts_of(url: str) -> SplitResult:
    """Return the parts of `url`, all empty when it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def origin(url: str) -> str:
    """Return scheme, host and port of `url`, without the credentials that may stand in it."""
    parts = parts_of(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def shown(url: str) -> str:
    """Return `url` without what must not be shown: credentials and query."""
    return origin(url) + parts_of(url).path
