"""Changes that the owner of a project makes."""

import re
import subprocess

VIEW = '''

class StockView(APIView):
    """Added by the owner of the project."""

    def get(self, request: Request) -> Response:
        return Response({"stock": 7})
'''


def edit(path, pattern, replacement):
    """Replace the only match of `pattern` in a file."""
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.M)
    assert count == 1
    path.write_text(text, encoding="utf-8")


def append(path, text):
    """Write `text` at the end of a file."""
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def add_endpoint(project):
    """Add a view with its URL to the resource server orders."""
    api = project / "resource_servers" / "orders" / "api"
    append(api / "views.py", VIEW)
    edit(api / "urls.py", r"(import ItemViewSet, PingView,)", r"\1 StockView,")
    edit(api / "urls.py", r"^(urlpatterns = \[\n)", r'\1    path("stock/", StockView.as_view()),\n')


def add_field(project):
    """Add a field to the model of the resource server orders, and make its migration."""
    service = project / "resource_servers" / "orders"
    edit(
        service / "api" / "models.py",
        r"^(    name = models\..*\n)",
        r"\1    color = models.CharField(max_length=20, blank=True)\n",
    )
    python = project / ".venv" / "bin" / "python"
    subprocess.run([python, "manage.py", "makemigrations"], cwd=service, check=True)


def add_scope(project):
    """Add a scope to the resource server orders."""
    manifest = project / "resource_servers" / "orders" / "resource_server.toml"
    edit(manifest, r'^("orders:write" = .*)$', r'\1\n"orders:refund" = "Refund your orders"')


def add_setting(service, line):
    """Add a line to the owner's block at the end of the settings of a service."""
    append(service / "config" / "settings.py", f"\n{line}\n")
