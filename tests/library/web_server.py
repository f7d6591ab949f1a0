"""A web server whose answers a test lists by path: a real one in a thread, with TLS or without."""

import base64
import datetime
import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class WebServer:
    """Answers with what `answers` has for the path: status, headers, body; 404 for the others.

    Attributes:
        answers: A tuple for each path, or a function that makes one out of the handler.
        seen: The `Authorization` of each request, as it was, "" without one.
    """

    def __init__(self, certificate=None):
        self.answers = {}
        self.seen = []
        self._server = HTTPServer(("127.0.0.1", 0), _handler_of(self))
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
            self._server.socket = self.context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        scheme = "https" if certificate else "http"
        self.origin = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler_of(server):
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            server.seen.append(self.headers["Authorization"] or "")
            answer = server.answers.get(self.path, (404, {}, b""))
            status, headers, body = answer(self) if callable(answer) else answer
            self.send_response_only(status)
            always = {"Date": self.date_time_string(), "Content-Length": str(len(body))}
            for name, value in (always | headers).items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    return Handler


def basic_of(header):
    """Return client id and secret of an Authorization header, as they were encoded."""
    return base64.b64decode(header.removeprefix("Basic ")).decode()


def self_signed(path, *, days=90, host="127.0.0.1"):
    """Write a key and a certificate that it has signed itself, good for some `days`, into `path`.

    Less than no days make one that has ended.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=100))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
