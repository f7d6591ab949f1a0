"""Fuzz each parser of the library with atheris: ``make fuzz SECONDS=300``; test_fuzzing.py.

``python -m library.fuzzing [OPTION ...]``, with options of libFuzzer, returns 1 after a fault. The
output has the bytes that have led to it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = (
    *("active", "scope", "client_id", "username", "token_type", "exp", "iat", "nbf", "sub", "aud"),
    *("iss", "jti", "cnf", "tid", "azp", "groups", "alg", "typ", "kid", "crit", "keys", "kty"),
    *("use", "key_ops", "n", "e", "crv", "x", "y", "issuer", "expires_in", "position", "tokens"),
    *("clients", "reset", "live", "delay", "moreAvailable", "jwks_uri", "scopes", "strategy"),
    *("https://as", "RS256", "ES256", "RSA", "EC", "OKP", "P-256", "Ed25519", "access_token"),
)
NUMBERS = ("1e999", "NaN", "-1", "9" * 400, "true", "null", "[]", "{}", "\\ud800", "\\u0000")


def run(name, *options):
    """Fuzz one parser, and return the exit code."""
    from .parsers import PARSERS

    [seed] = [seed for parser, seed in PARSERS.items() if parser.__name__ == name]
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        (corpus / "seed").write_bytes(seed)
        entries = [*map(json.dumps, WORDS), *NUMBERS]
        words.write_text("\n".join(map(json.dumps, entries)) + "\n", encoding="utf-8")
        limits = ["-verbosity=0", "-max_len=4096", f"-dict={words}", f"-artifact_prefix={folder}/"]
        command = [sys.executable, "-m", "library.fuzzing", f"--parser={name}", corpus, *limits]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run([*command, *options], env=environment).returncode


def fuzz(name, arguments):
    """Fuzz one parser in this process, which libFuzzer ends."""
    import atheris
    import django

    with atheris.instrument_imports(include=["oauth_resource_server", "jwcrypto"]):
        django.setup()
        from . import parsers
    atheris.Setup(["fuzzing", *arguments], getattr(parsers, name))
    atheris.Fuzz()


def main(arguments):
    """Fuzz all parsers, one after the other."""
    import logging

    logging.disable()
    if arguments and arguments[0].startswith("--parser="):
        fuzz(arguments[0].partition("=")[2], arguments[1:])
    import django

    django.setup()
    from .parsers import PARSERS

    names = [parser.__name__ for parser in PARSERS]
    return 1 if [name for name in names if run(name, *arguments)] else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "library.settings")
    sys.exit(main(sys.argv[1:]))
