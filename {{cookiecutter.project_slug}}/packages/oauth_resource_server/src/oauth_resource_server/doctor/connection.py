"""The way to the authorization server: name, port, certificate. No HTTP yet."""

import socket
import ssl
import time
from collections.abc import Generator
from urllib.parse import urlsplit

from oauth_resource_server.doctor.findings import Finding, ok, origin, problem, warning

EXPIRY_WARNING_DAYS = 14
DAY = 24 * 3600  # seconds


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of an http or https URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or {"http": 80}.get(parts.scheme, 443)


def examine_address(url: str, line: str, seconds: float) -> Generator[Finding, None, bool]:
    """Yield whether anybody listens at `url` within some `seconds`; return the same.

    Args:
        url: What is asked later.
        line: What to change for another one.
        seconds: How long a connection may take.
    """
    try:
        host, port = address_of(url)
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # The latter for a port, or a name, that cannot be.
        yield problem(
            "address",
            f"this machine knows no address for {origin(url)}. Change {line}.",
        )
        return False
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError as error:
        yield problem(
            "address",
            f"nobody answers at {host}:{port} ({error.strerror or 'no answer in time'}), so that "
            f"what follows cannot be examined. Start the authorization server, or change {line}.",
        )
        return False
    yield ok("address", f"{host}:{port} answers")
    return True


def examine_tls(url: str, line: str, seconds: float) -> Generator[Finding, None, bool]:
    """Yield whether the certificate is trusted, and for how long; return whether it is.

    The arguments are those of `examine_address`.
    """
    host, port = address_of(url)
    # Reads SSL_CERT_FILE, as the connections that introspect do.
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            certificate = encrypted.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        yield problem(
            "TLS",
            f"the certificate of {host} is not accepted: {error.verify_message.rstrip('.')}. Renew "
            "it, name the authority that has signed it in the environment variable "
            f"SSL_CERT_FILE, or change {line}.",
        )
        return False
    except OSError:
        yield problem("TLS", f"{host}:{port} does not speak TLS. Change https:// in {line}.")
        return False
    days = (ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / DAY
    if days < EXPIRY_WARNING_DAYS:
        yield warning("TLS", f"the certificate of {host} ends in {days:.0f} days. Renew it.")
    else:
        yield ok("TLS", f"the certificate of {host} is good for {days:.0f} days")
    return True
