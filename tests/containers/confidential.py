"""The secrets of a generated project, for tests that search for them."""

import re
from urllib.parse import urlsplit

from stack import read_env

# The suffixes of variables and files that hold a secret.
CONFIDENTIAL = re.compile(r".*(SECRET|SECRET_KEY|AUDIT_KEY|PASSWORD|TOKEN)")
# A shorter value is not a secret, and would be found by chance.
SHORTEST = 20


def secrets_of(project):
    """Return each secret of `.env` and `.secrets/` by the name of its variable or file.

    The secret of a URL is its password, so that it is also found in another notation.
    """
    values = read_env(project)
    for path in (project / ".secrets").iterdir():
        if path.name != "clients.env":  # a copy of lines of `.env`
            values[path.name] = path.read_text(encoding="utf-8").strip()
    found = {name: value for name, value in values.items() if CONFIDENTIAL.fullmatch(name)}
    found |= {name: urlsplit(value).password for name, value in values.items() if "@" in value}
    return {name: value for name, value in found.items() if len(value or "") >= SHORTEST}


def leaked_names(text, secrets):
    """Return the names of the secrets in `text`; failures print the names, not the values."""
    return sorted(name for name, value in secrets.items() if value in text)
