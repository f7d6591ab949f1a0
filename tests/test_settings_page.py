"""`docs/settings.md` of a project lists the environment variables that its code reads."""

import re

import pytest

# In Python: the arguments of functions that read a variable, and uses of `os.environ`.
NAME = r'f?"([A-Z][A-Z0-9_]+|\{(?:self\.)?(?:prefix|PREFIX|service\.prefix)\}_[A-Z_]+)"'
PYTHON = [
    re.compile(rf"\benv\.\w+\(\s*{NAME}"),
    re.compile(rf"\bos\.environ(?:\.get\(|\[)\s*{NAME}"),
    re.compile(rf"{NAME} in os\.environ"),
    re.compile(rf"\b(?:number|value|value_of)\({NAME}"),
    re.compile(rf"\b(?:given|setting|_of)\([\w.]+, (?:[\w.]+, )?{NAME}"),
]
# In Compose files and the Procfile: ${NAME}, $NAME, and `NAME:` without a value in `environment`.
SHELL = [
    re.compile(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]+)"),
    re.compile(r"^      ([A-Z][A-Z0-9_]+):$", re.MULTILINE),
]
ENV = [re.compile(r"^([A-Z{][A-Za-z0-9_{}]+)=", re.MULTILINE)]
PLACES = {
    "authorization_server/**/*.py": PYTHON,
    "deploy/*.py": PYTHON,
    "packages/*/src/**/*.py": PYTHON,
    "scripts/**/*.py": PYTHON,
    "compose*.yml": SHELL,
    "deploy/*.yml": SHELL,
    "scripts/resource_server_skeleton/*.yml": SHELL,
    "Procfile": SHELL,
    ".env.example": ENV,
    "scripts/_wiring.py": ENV,
}
# These are set by the operating system and by Django's own programs.
OTHERS = {"DJANGO_SETTINGS_MODULE", "NO_COLOR", "PATH"}
# These name a file themselves.
FILES = {"ENV_FILE", "CLIENTS_FILE", "UPSTREAMS_FILE", "OIDC_RSA_PRIVATE_KEY_FILE", "SSL_CERT_FILE"}


def canonical(name):
    """Return a name as the page spells it: without _FILE, and with <NAME> for a prefix."""
    name = re.sub(r"^(\{.*?\}|RESOURCE_SERVER_NAME)_", "<NAME>_", name)
    return name if name in FILES else name.removesuffix("_FILE")


@pytest.fixture(scope="module")
def read(project_source):
    """Return the names of the variables that the code reads."""
    names = set()
    for pattern, expressions in PLACES.items():
        for path in project_source.glob(pattern):
            if "tests" not in path.relative_to(project_source).parts:
                text = path.read_text(encoding="utf-8")
                names |= {canonical(name) for each in expressions for name in each.findall(text)}
    return names - OTHERS


@pytest.fixture(scope="module")
def documented(project_source):
    """Return the names in the first column of the tables."""
    page = (project_source / "docs" / "settings.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_variable_that_is_read_is_documented(read, documented):
    assert sorted(read - documented) == []


def test_every_variable_that_is_documented_is_read(read, documented):
    assert sorted(documented - read) == []


@pytest.mark.parametrize("name", ["WEB_RELOAD", "CLIENTS_FILE", "HTTPS_PORT", "<NAME>_URL"])
def test_the_search_finds_variables_of_each_kind(read, name):
    assert name in read
