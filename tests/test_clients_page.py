"""`docs/clients.md` of a project has a row for each key of a client, and no other."""

import ast
import re


def test_every_key_is_documented(project_source):
    service = project_source / "authorization_server"
    module = ast.parse((service / "client_registry" / "declarations.py").read_text("utf-8"))
    (table,) = [node for node in module.body if getattr(node, "name", "") == "ClientTable"]
    keys = {node.target.id: node.value for node in table.body if isinstance(node, ast.AnnAssign)}
    page = (project_source / "docs" / "clients.md").read_text("utf-8")
    section = page.partition("## Keys")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `?(\w+)", section, flags=re.M)
    assert [name for name, _ in rows] == list(keys)
    assert {name for name, default in rows if default == "required"} == {
        name for name, value in keys.items() if value is None
    }
