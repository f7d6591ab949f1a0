"""Examine how a resource server is set up, from its settings to the answers that it gets.

Each module looks at one thing, in the order in which an introspection needs it, and yields
findings: `configuration`, `connection`, `endpoint`, `discovery`; for an issuer that is not the
authorization server of the project, `issuer`. None of them contains a secret.
"""

from collections.abc import Iterator
from dataclasses import replace

from oauth_resource_server.conf import Conf, read_conf
from oauth_resource_server.doctor.configuration import (
    examine_audience,
    examine_caching,
    examine_settings,
    examine_shared_cache,
)
from oauth_resource_server.doctor.connection import examine_address, examine_tls
from oauth_resource_server.doctor.discovery import examine_discovery
from oauth_resource_server.doctor.endpoint import examine_endpoint, examine_introspection
from oauth_resource_server.doctor.findings import Finding, Level, line_of_url
from oauth_resource_server.doctor.issuer import examine_issuer
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED
from oauth_resource_server.issuers.settings import IssuerSettings

__all__ = ["Finding", "Level", "examine"]


def examine() -> Iterator[Finding]:
    """Yield what is well and what is not; go on as far as that makes sense."""
    conf = read_conf()
    can_ask = yield from examine_settings(conf)
    yield from examine_audience(conf)
    yield from examine_caching(conf)
    yield from examine_shared_cache()
    issuers = read_issuers(conf) if can_ask else ()
    for issuer in issuers:
        examine_one = _bundled if issuer.preset == BUNDLED else examine_issuer
        findings = examine_one(issuer, conf)
        for finding in findings:
            name = f"{issuer.name} " if len(issuers) > 1 else ""
            yield replace(finding, subject=f"{name}{finding.subject}")


def _bundled(issuer: IssuerSettings, conf: Conf) -> Iterator[Finding]:
    """Yield what is well with the authorization server of the project."""
    line, seconds = line_of_url(conf.url), conf.connect_timeout
    if not (yield from examine_address(conf.url, line, seconds)):
        return
    if conf.url.startswith("https:") and not (yield from examine_tls(conf.url, line, seconds)):
        return
    if (yield from examine_endpoint(conf)):
        yield from examine_introspection(conf, Issuer(issuer, conf))
    yield from examine_discovery(conf)
