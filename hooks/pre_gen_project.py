"""Check every answer before the first file is written, and list all problems in one pass.

Standard library only. ``NAME_PATTERN``, ``RESERVED``, ``MAX_RESOURCE_SERVERS`` and
``problem_with_name`` stand in the generated ``scripts/_names.py`` too, because no project exists
yet that this file could import from; ``tests/test_names.py`` keeps the two the same.
"""

# Unevaluated annotations let the old Pythons get as far as main(), which turns them away.
from __future__ import annotations

import json
import keyword
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from collections.abc import Iterator

NAME_PATTERN = re.compile(r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")
MAX_RESOURCE_SERVERS = 20
RESERVED = frozenset(
    "accounts admin api auth authorization-server bootstrap clear-tokens client-registry config "
    "database db default demo deploy django docs email ensure-clients health introspection "
    "localhost migrate nginx none offline-access openid packages postgres profile proxy public "
    "redis resource-server scripts site static template0 template1 test tests "
    "django-oauth-resource-server valkey www".split()
)
# `con`, `nul` and the like cannot be folders on Windows.
RESERVED_SLUGS = frozenset(
    "accounts api aux authorization_server client_registry con config deploy django docs "
    "introspection nul oauth2_provider packages prn resource_servers rest_framework scripts site "
    "test tests oauth_resource_server".split()
)
SLUG_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,39}")
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN_PATTERN = re.compile(rf"({LABEL}\.)+(?!\d+$){LABEL}")
MAILBOX_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}")
DJANGO_VERSIONS = ("5.2", "6.1")


def check_project_name(value: str) -> Iterator[str]:
    """Valid: 1 to 80 characters on one line, no blank at either end, nothing Jinja would render."""
    if not 1 <= len(value) <= 80:
        yield f"is {len(value)} characters long, not 1 to 80"
    if value != value.strip():
        yield "begins or ends with a blank"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        yield "holds a line break or another control character"
    if re.search(r"\{[%#{]", value):
        yield "holds '{' followed by '{', '%' or '#', which is template code"


def check_project_slug(value: str) -> Iterator[str]:
    """Valid: a Python name of up to 40 characters that shadows no module the project imports."""
    if not SLUG_PATTERN.fullmatch(value) or value.endswith("_"):
        yield (
            f"{value!r} is not 1 to 40 lower-case letters, digits and '_', "
            "beginning with a letter and not ending in '_'"
        )
    elif keyword.iskeyword(value) or value in sys.stdlib_module_names:
        yield f"{value!r} is a word or a standard module of Python"
    elif value in RESERVED_SLUGS:
        yield f"{value!r} is reserved"


def problem_with_name(name: str) -> str | None:
    """Say why `name` cannot be a resource server. Valid: a DNS label, no '--', not reserved."""
    if not NAME_PATTERN.fullmatch(name) or "--" in name:
        return (
            f"{name!r} is not 1 to 32 lower-case letters, digits and single '-', "
            "beginning with a letter and not ending in '-'"
        )
    if name in RESERVED or keyword.iskeyword(name.replace("-", "_")):
        return f"{name!r} is reserved"
    return None


def check_resource_servers(value: str) -> Iterator[str]:
    """Valid: 1 to MAX_RESOURCE_SERVERS different names with commas between them."""
    names = [name.strip() for name in value.split(",")]
    if len(names) > MAX_RESOURCE_SERVERS:
        yield f"holds {len(names)} names, and {MAX_RESOURCE_SERVERS} is the most"
    if "" in names:
        yield "holds no name, or a comma with no name beside it"
    for name in dict.fromkeys(filter(None, names)):
        if problem := problem_with_name(name):
            yield problem
        if names.count(name) > 1:
            yield f"{name!r} is there {names.count(name)} times"


def check_domain(value: str) -> Iterator[str]:
    """Valid: a lower-case DNS name of two or more labels, at most 253 characters in all."""
    if len(value) > 253 or not DOMAIN_PATTERN.fullmatch(value):
        yield (
            f"{value!r} is not a public DNS name: two or more lower-case labels, "
            "no scheme, port or path"
        )


def check_django_version(value: str) -> Iterator[str]:
    """Valid: one of DJANGO_VERSIONS that supports the Python that runs."""
    if value not in DJANGO_VERSIONS:
        yield f"{value!r} is not one of {', '.join(DJANGO_VERSIONS)}"
    elif value == "6.1" and sys.version_info < (3, 12):
        yield "Django 6.1 needs Python 3.12 or newer: run cookiecutter with that, or choose 5.2"


def check_contact_email(value: str) -> Iterator[str]:
    """Valid: one '@' between a mailbox of plain ASCII characters and a domain."""
    mailbox, _, domain = value.partition("@")
    if not MAILBOX_PATTERN.fullmatch(mailbox) or any(check_domain(domain.lower())):
        yield f"{value!r} is not a plain e-mail address"


# In the order of the prompts: what checks the answer, and an answer that is valid.
RULES = {
    "project_name": (check_project_name, "My Platform"),
    "project_slug": (check_project_slug, "my_platform"),
    "resource_servers": (check_resource_servers, "orders, inventory"),
    "domain": (check_domain, "example.com"),
    "django_version": (check_django_version, "5.2"),
    "contact_email": (check_contact_email, "admin@example.com"),
}
# Not --replay: cookiecutter then asks nothing and takes no new answers either.
RETRY = """
Nothing was generated. To try again without retyping, give the good answers on the command line
and press Enter at their prompts (--replay would repeat the bad ones too):
"""


def retry_command(answers: dict[str, str], good: list[str]) -> str:
    """Return the command that offers each of the `good` answers as the default of its prompt."""
    words = ["cookiecutter", answers.get("_template") or "TEMPLATE"]
    if answers.get("_checkout"):
        words += ["--checkout", answers["_checkout"]]
    words += [f"{prompt}={answers[prompt]}" for prompt in good]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def main() -> int:
    """Return the exit code: 1, and no project, when an answer is not valid."""
    # On stderr, which escapes what the console cannot encode; print to stdout would fail there.
    if sys.version_info < (3, 11):
        print("Gatehouse needs Python 3.11 or newer to run cookiecutter.", file=sys.stderr)
        return 1
    # The one place where Jinja fills in Python. As JSON, no answer can end the literal.
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    problems = {prompt: list(check(str(answers[prompt]))) for prompt, (check, _) in RULES.items()}
    good = [prompt for prompt, found in problems.items() if not found]
    if len(good) == len(RULES):
        return 0
    lines = [
        f"  {prompt}: {problem}. Valid: {RULES[prompt][1]}"
        for prompt, found in problems.items()
        for problem in found
    ]
    print("\nThese answers cannot be used:\n", *lines, RETRY, sep="\n", file=sys.stderr)
    print(f"  {retry_command(answers, good)}\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
