"""Profile the validation of 500 new tokens in a resource server.

Runs in the folder and environment of a resource server, against a real authorization server with
the tokens of the benchmark.
"""

import cProfile
import os
import pstats
import sys

sys.path.insert(0, ".")
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django

django.setup()
from oauth_resource_server.validation import validate  # noqa: E402

FIRST = 50_000  # greater than the numbers of the tokens that the measurement has used


def main():
    """Print the functions with the most time of their own."""
    validate(f"bench-{FIRST - 1}")
    with cProfile.Profile() as profile:
        for number in range(FIRST, FIRST + 500):
            assert validate(f"bench-{number}") is not None
    stats = pstats.Stats(profile)
    stats.strip_dirs().sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main()
