"""Check every answer before the first file is written, and list all problems in one pass.

Standard library only. The rules for names of resource servers are in the generated
``scripts/_project.py`` as well, because no project exists yet to import them from;
``tests/test_names.py`` keeps the two equal.
"""

# Unevaluated annotations let old Pythons get as far as main(), which refuses them.
from __future__ import annotations

import json
import keyword
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

NAME_PATTERN = re.compile(r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")
MAX_RESOURCE_SERVERS = 20
RESERVED = frozenset(
    "accounts admin api auth authorization-server bootstrap clear-tokens client-registry config "
    "database db default demo deploy django django-oauth-resource-server docs email ensure-clients "
    "health introspection localhost migrate nginx none oauth offline-access openid packages "
    "postgres profile proxy public redis resource-server scripts service-kit site static template0 "
    "template1 test tests valkey www".split()
)
# Device names, which Windows cannot store as files.
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")
RESERVED_SLUGS = frozenset(
    "accounts api authorization_server client_registry config deploy django docs introspection "
    "oauth oauth2_provider oauth_resource_server packages resource_servers rest_framework scripts "
    "service_kit site test tests".split()
)
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = r"(?=.{1,253}$)(?:" + LABEL + r"\.)+(?![0-9]+$)" + LABEL
# For each prompt: what an answer matches, the sentence about one that does not, a valid answer.
RULES = {
    "project_name": (
        r"(?!\s|.*\{[%#{])[^\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,80}(?<!\s)",
        "is not 1 to 80 characters on one line, without template code or a blank at either end",
        "My Platform",
    ),
    "project_slug": (
        r"[a-z]([a-z0-9_]{0,38}[a-z0-9])?",
        "is not 1 to 40 lower-case letters, digits and '_', from a letter to a letter or digit",
        "my_platform",
    ),
    "resource_servers": (r"[\s\S]*", "", "orders, inventory"),
    "domain": (
        DOMAIN,
        "is not a public DNS name: two or more lower-case labels, no scheme, port or path",
        "example.com",
    ),
    "django_version": (r"5\.2|6\.1", "is not 5.2 or 6.1", "5.2"),
    "contact_email": (
        r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}@(?i:" + DOMAIN + ")",
        "is not a plain e-mail address",
        "admin@example.com",
    ),
}
RETRY = """
Nothing was generated. To keep the valid answers (--replay would repeat all of them):
"""


def problem_with_name(name: str) -> str | None:
    """Return why `name` cannot be a resource server. Valid: a DNS label, no '--', not reserved."""
    if not NAME_PATTERN.fullmatch(name) or "--" in name:
        return f"{name!r} is not 1 to 32 lower-case letters, digits and single '-' between them"
    taken = name in RESERVED or keyword.iskeyword(name.replace("-", "_"))
    return f"{name!r} is reserved" if taken or WINDOWS_DEVICE.fullmatch(name) else None


def problems_with(prompt: str, value: str) -> Iterator[str]:
    """Yield why `value` is not a valid answer to `prompt`."""
    pattern, sentence, _ = RULES[prompt]
    if not re.fullmatch(pattern, value):
        yield f"{value!r} {sentence}"
    elif prompt == "project_slug":
        taken = {*keyword.kwlist, *sys.stdlib_module_names, *RESERVED_SLUGS}
        if value in taken or WINDOWS_DEVICE.fullmatch(value):
            yield f"{value!r} is reserved, or a word or a standard module of Python"
    elif prompt == "resource_servers":
        names = [name.strip() for name in value.split(",")]
        yield from filter(None, map(problem_with_name, dict.fromkeys(names)))
        yield from (f"{name!r} is repeated" for name in {*names} if names.count(name) > 1)
        if len(names) > MAX_RESOURCE_SERVERS:
            yield f"holds {len(names)} names, more than {MAX_RESOURCE_SERVERS}"
    elif value == "6.1" and sys.version_info < (3, 12):
        yield "Django 6.1 needs Python 3.12 or newer: run cookiecutter with that, or choose 5.2"


def main() -> int:
    """Return the exit code: 1, and no project, when an answer is not valid."""
    # To stderr, which escapes what the console cannot encode.
    if sys.version_info < (3, 11):
        print("Gatehouse needs Python 3.11 or newer to run cookiecutter.", file=sys.stderr)
        return 1
    # The one place where Jinja fills in Python. As JSON, no answer can end the literal.
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    problems = {prompt: [*problems_with(prompt, str(answers[prompt]))] for prompt in RULES}
    if not any(problems.values()):
        return 0
    print("\nThese answers cannot be used:\n", file=sys.stderr)
    for prompt, found in problems.items():
        for problem in found:
            print(f"  {prompt}: {problem}. Valid: {RULES[prompt][2]}", file=sys.stderr)
    words = ["cookiecutter", answers.get("_template") or "TEMPLATE"]
    words += ["--checkout", answers["_checkout"]] if answers.get("_checkout") else []
    words += [f"{prompt}={answers[prompt]}" for prompt, found in problems.items() if not found]
    command = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
    print(RETRY, f"  {command}\n", sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
