"""Examine how a resource server is set up, from its settings to the answers that it gets.

Each module looks at one thing, in the order in which an introspection needs it, and yields
findings: `configuration`, `connection`, `endpoint`, `discovery`. None of them contains a secret.
"""

from collections.abc import Iterator

from token_introspection.conf import read_conf
from token_introspection.doctor.configuration import (
    examine_audience,
    examine_caching,
    examine_settings,
    examine_shared_cache,
)
from token_introspection.doctor.connection import examine_address, examine_tls
from token_introspection.doctor.discovery import examine_discovery
from token_introspection.doctor.endpoint import examine_endpoint, examine_introspection
from token_introspection.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]


def examine() -> Iterator[Finding]:
    """Yield what is well and what is not; go on as far as that makes sense."""
    conf = read_conf()
    can_ask = yield from examine_settings(conf)
    yield from examine_audience(conf)
    yield from examine_caching(conf)
    yield from examine_shared_cache()
    if not can_ask or not (yield from examine_address(conf)):
        return
    if conf.url.startswith("https:") and not (yield from examine_tls(conf)):
        return
    if (yield from examine_endpoint(conf)):
        yield from examine_introspection(conf)
    yield from examine_discovery(conf)
