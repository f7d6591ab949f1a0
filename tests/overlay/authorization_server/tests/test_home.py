"""The page at ``/``: in development what runs where, in production who runs it and nothing else."""

import re
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders(monkeypatch):
    """Return the port of a server that stands for orders; it answers with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.status, server.paths = 200, []
        monkeypatch.setenv("ORDERS_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("INVENTORY_URL", f"http://127.0.0.1:{unused_port()}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def in_production(settings):
    """Show the pages of production."""
    settings.PRODUCTION = True


def states(client):
    """Return the state of each service on the page by its title."""
    page = client.get("/").text
    found = re.findall(r'">([^<>]+)</a>\s*<span class="state[^"]*">([^<]+)<', page)
    return dict(found)


def test_it_shows_which_service_is_ready(client, orders):
    assert states(client) == {
        "Orders": "ready",
        "Inventory": "does not run",
        "Authorization server": "ready",
    }
    assert orders.paths == ["/health/ready"]


@pytest.mark.parametrize(("status", "state"), [(503, "not ready"), (404, "is another program")])
def test_it_shows_which_service_has_a_fault(client, orders, status, state):
    orders.status = status
    assert states(client)["Orders"] == state


def test_a_service_that_is_silent_does_not_hold_the_page(client, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("config.home.SECONDS", 0.2)
        monkeypatch.setenv("ORDERS_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert states(client)["Orders"] == "does not answer"


def test_a_service_without_an_address_does_not_answer(client, monkeypatch):
    monkeypatch.delenv("ORDERS_URL", raising=False)
    assert states(client)["Orders"] == "does not answer"


def test_in_a_container_it_asks_by_the_name(client, orders, settings, monkeypatch):
    settings.RESOURCE_SERVER_INTERNAL_URL = f"http://127.0.0.1:{orders.server_port}/{{name}}"
    assert states(client)["Inventory"] == "ready"
    assert sorted(orders.paths) == ["/inventory/health/ready", "/orders/health/ready"]


def test_it_leads_to_the_documentation_of_each_api(client, orders):
    assert f'href="http://127.0.0.1:{orders.server_port}/api/docs/"' in client.get("/").text


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/"])
def test_it_leads_to_the_pages_of_this_server(client, path):
    assert f'href="{path}"' in client.get("/").text


def test_it_names_the_demo_account_and_not_its_password(client, monkeypatch):
    monkeypatch.setenv("DEMO_USERNAME", "somebody@example.com")
    monkeypatch.setenv("DEMO_PASSWORD", "the-password")
    page = client.get("/").text
    assert ("somebody@example.com" in page, "the-password" in page) == (True, False)


@pytest.mark.parametrize(("address", "is_named"), [("", True), ("smtp://mail.example.com", False)])
def test_it_names_the_folder_of_mail_that_is_not_sent(client, settings, address, is_named):
    settings.EMAIL_URL = address
    assert (str(settings.MAIL_FOLDER) in client.get("/").text) == is_named


def test_in_production_it_names_the_project_and_nothing_else(client, in_production, settings):
    settings.PROJECT_NAME, settings.CONTACT_EMAIL = "My Platform", "admin@example.com"
    page = client.get("/").text
    assert re.findall(r'<a [^>]*href="([^"]+)"', page) == ["/", "mailto:admin@example.com"]
    assert "Orders" not in page


def test_in_production_it_asks_no_service(client, in_production, orders):
    client.get("/")
    assert orders.paths == []


def test_a_person_who_is_signed_in_can_sign_out(client, in_production, alice):
    client.force_login(alice)
    assert "Sign out" in client.get("/").text


def test_staff_is_led_to_the_administration_site(client, in_production):
    client.force_login(User.objects.create_superuser("root@example.com"))
    assert 'href="/admin/"' in client.get("/").text
