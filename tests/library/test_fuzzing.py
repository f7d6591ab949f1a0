"""A bounded run of the fuzzer over each parser; `fuzzing` says how to run it for longer."""

import importlib.util

import pytest

from . import fuzzing
from .parsers import PARSERS

RUNS = 3000


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
def test_a_parser_accepts_what_the_fuzzer_begins_with(parser):
    assert parser(PARSERS[parser]) is True


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is not installed here")
@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
def test_a_parser_raises_nothing_but_its_refusals(parser):
    assert fuzzing.run(parser.__name__, f"-runs={RUNS}", "-seed=1") == 0
