"""The parser of the worker says of a part of a request what that of gunicorn says."""

import random

import pytest
from gunicorn.asgi.parser import PythonProtocol
from service_kit.worker import Parser

BYTES = [bytes([number]) for number in range(256)]
RANDOM = random.Random(7)
PARTS = [
    b"",
    *BYTES,
    *(b"GE" + byte for byte in BYTES),
    *(b"x" + byte + b"\n" for byte in BYTES),
    *(b"A" * length for length in range(25)),
    *(RANDOM.randbytes(RANDOM.randrange(9)) for _ in range(5000)),
]


@pytest.mark.parametrize(
    "name", ["_is_valid_method", "_is_valid_token", "_has_invalid_header_chars"]
)
def test_the_parser_refuses_what_that_of_gunicorn_refuses(name):
    own, of_gunicorn = getattr(Parser(), name), getattr(PythonProtocol(), name)
    assert [part for part in PARTS if own(part) != of_gunicorn(part)] == []


def test_the_worker_uses_the_parser():
    from gunicorn.asgi import protocol

    assert protocol.PythonProtocol is Parser
