"""What the container suite looks with sees what it looks for. No engine is needed."""

import gzip
import io
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import layers
import pytest
from load import Load, connection_pool

NEEDLE = b"a-secret-of-the-project"


def archive(members):
    """Return a tar archive of some files, by name, as a stream that cannot be rewound."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "compressed"])
def test_a_secret_in_a_file_of_a_layer_is_found(pack):
    layer = archive({"project/notes": b"before " + NEEDLE + b" behind"}).getvalue()
    found = layers.found_in_archive(archive({"layer": pack(layer), "config": b"{}"}), [NEEDLE])
    assert found == {"layer": {NEEDLE}, "config": set()}


@pytest.mark.parametrize("before", range(1, len(NEEDLE)))
def test_a_secret_across_two_chunks_is_found(monkeypatch, before):
    monkeypatch.setattr(layers, "CHUNK", 64)
    stream = io.BytesIO(b"x" * (64 - before) + NEEDLE)
    assert layers.found_in_stream(stream, [NEEDLE, b"other"]) == {NEEDLE}


@contextmanager
def server(statuses):
    """Serve each status once, then 200; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status = statuses.pop() if statuses else 200
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_each_answer_of_a_load_is_counted():
    statuses = [503, 401, 503]
    with server(statuses) as url, connection_pool(url, threads=2) as pool:
        with Load(pool, "/", {}, threads=2) as load:
            load.wait_for_more(20)
    assert (load.answers[503], load.answers[401], load.answers[200] >= 17) == (2, 1, True)


def test_a_request_that_is_not_answered_is_counted_as_lost():
    with server([None]) as url, connection_pool(url) as pool:
        with Load(pool, "/", {}, threads=1) as load:
            pass
    assert [answer for answer in load.answers if answer != 200] == ["ProtocolError"]
