"""`scripts/add_resource_server.py` adds all parts of a resource server, or none with a reason."""

import ast
import re
import shutil
import sys
import tomllib

import pytest
from test_hooks import imported_packages
from test_output import contents_of, without_secrets

STANDARD_LIBRARY_ONLY = [
    *("_project", "_secret_files", "_wiring", "add_resource_server", "init_env"),
]
WIRED_FILES = ["Procfile", "compose.yml", "compose.override.yml", ".env.example"]
# A compose.yml needs it beside the list of includes.
ENVIRONMENT = "x:\n  environment: &authorization-server-environment\n    A: b\n"
HAND_EDITED = {
    "Procfile": "# ours\nworker: python -m worker\n\n# the end, without a line break",
    "compose.yml": (
        "name: shop # ours\n\ninclude: # what we run\n    # first\n    - path: other.yml\n"
        "      env_file: other.env\n\n# services of ours\nservices:\n  db:\n    image: postgres\n"
        + ENVIRONMENT
    ),
    "compose.override.yml": "include:\n- other.override.yml\n\nservices: {} # none of ours\n",
    ".env.example": "# ours\nSHOP_PORT=8001\n\n# the end\nLAST='8003'\n",
}


@pytest.fixture
def add(bare_project, run_script):
    """Return a function that runs the script in a project without resource servers."""

    def add(*names, **options):
        return run_script(bare_project, "add_resource_server", *names, **options)

    return add


@pytest.fixture
def refused(add, bare_project):
    """Return a function that checks that names are refused, and returns the message."""

    def refused(*names):
        before = contents_of(bare_project)
        run = add(*names)
        assert (run.returncode, run.stdout, contents_of(bare_project)) == (1, "", before)
        assert "Traceback" not in run.stderr
        return run.stderr

    return refused


@pytest.fixture
def hand_edited(bare_project):
    """Return a project whose files were edited by hand."""
    for name, text in HAND_EDITED.items():
        (bare_project / name).write_bytes(text.encode())
    return bare_project


def manifest_of(project, name):
    """Return the manifest of the resource server `name`."""
    path = project / "resource_servers" / name / "resource_server.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def value_of(project, name, file=".env.example"):
    """Return the value of the variable `name`."""
    [value] = re.findall(rf"^{name}=(.*)$", (project / file).read_text("utf-8"), re.MULTILINE)
    return value


def processes_of(project):
    """Return the names in Procfile, in their order."""
    return re.findall(r"^([\w-]+):", (project / "Procfile").read_text("utf-8"), re.MULTILINE)


def includes_of(project, file="compose.yml"):
    """Return the resource servers that a Compose file includes, in their order."""
    text = (project / file).read_text(encoding="utf-8")
    return re.findall(rf"^ *- resource_servers/(.+)/{re.escape(file)}$", text, re.MULTILINE)


def undo(project, name):
    """Follow the first steps of "Remove one" in docs/resource_servers.md."""
    shutil.rmtree(project / "resource_servers" / name)
    for path in project.glob(f".secrets/{name.upper()}_*"):
        path.unlink()
    for file, line in {
        "Procfile": rf"^{name}:.*\n",
        "compose.yml": rf"^ *(- resource_servers/{name}/compose\.yml|{name.upper()}_URL:)\n",
        "compose.override.yml": rf"^ *- resource_servers/{name}/compose\.override\.yml\n",
        ".env.example": rf"\n^# === Resource server: {name} (?s:.*?)(?=\n# ===|\Z)",
        ".env": rf"\n^# === Resource server: {name} (?s:.*?)(?=\n# ===|\Z)",
    }.items():
        if (project / file).exists():
            text = (project / file).read_bytes().decode()
            edited, count = re.subn(line, "", text, flags=re.MULTILINE)
            assert count == (2 if file == "compose.yml" else 1)
            (project / file).write_bytes(edited.encode())


# --- The added files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "title"), [("orders", "Orders"), ("order-history", "Order history"), ("a1", "A1")]
)
def test_the_manifest_has_the_name_the_title_and_two_scopes(add, bare_project, name, title):
    add(name)
    manifest = manifest_of(bare_project, name)
    assert (manifest["name"], manifest["title"], list(manifest["scopes"])) == (
        name,
        title,
        [f"{name}:read", f"{name}:write"],
    )


def test_the_audience_is_the_address_unless_a_line_is_uncommented(bake, run_script, tmp_path):
    project = bake({"domain": "shop.example.org"}, accept_hooks=False, output_dir=tmp_path)
    run_script(project, "add_resource_server", "orders")
    assert "audience" not in manifest_of(project, "orders")
    path = project / "resource_servers" / "orders" / "resource_server.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("# audience", "audience"), "utf-8")
    assert manifest_of(project, "orders")["audience"] == "https://orders.shop.example.org"


def test_each_scope_has_a_description(add, bare_project):
    add("order-history")
    assert all(
        "Order history" in text
        for text in manifest_of(bare_project, "order-history")["scopes"].values()
    )


def test_the_code_is_a_copy_of_the_skeleton(add, bare_project):
    add("orders")
    code = {
        path.relative_to(bare_project / "resource_servers" / "orders"): path.read_bytes()
        for path in bare_project.glob("resource_servers/orders/**/*.py")
    }
    skeleton = bare_project / "scripts" / "resource_server_skeleton"
    assert code == {
        path.relative_to(skeleton): path.read_bytes() for path in skeleton.rglob("*.py")
    }


def test_no_placeholder_is_left_in_a_data_file(add, bare_project):
    add("orders")
    files = contents_of(bare_project / "resource_servers" / "orders")
    left = re.compile(b"resource-server-name|Resource server name|RESOURCE_SERVER_NAME")
    assert [path for path in files if not path.endswith(".py") and left.search(files[path])] == []


def test_caches_and_databases_of_the_skeleton_are_not_copied(add, bare_project):
    skeleton = bare_project / "scripts" / "resource_server_skeleton"
    (skeleton / "api" / "__pycache__").mkdir()
    (skeleton / ".pytest_cache").mkdir()
    (skeleton / "db.sqlite3").touch()
    add("orders")
    names = {path.name for path in (bare_project / "resource_servers" / "orders").rglob("*")}
    assert names & {"__pycache__", ".pytest_cache", "db.sqlite3"} == set()


def test_procfile_compose_and_ports_follow_the_order_of_the_names(add, bare_project):
    add("b", "a")
    add("c")
    assert (processes_of(bare_project)[2:], includes_of(bare_project)) == (list("bac"), list("bac"))
    assert includes_of(bare_project, "compose.override.yml") == list("bac")
    assert [value_of(bare_project, f"{name}_PORT") for name in "BAC"] == ["8001", "8002", "8003"]


def test_a_hyphen_in_the_name_is_an_underscore_in_its_variables(add, bare_project):
    add("order-history")
    assert value_of(bare_project, "ORDER_HISTORY_URL") == "http://localhost:8001"
    assert " 127.0.0.1:$ORDER_HISTORY_PORT\n" in (bare_project / "Procfile").read_text("utf-8")


@pytest.mark.parametrize("file", [".env", ".env.example"])
def test_a_port_that_is_used_is_skipped(add, bare_project, file):
    with (bare_project / file).open("a", encoding="utf-8") as env:
        env.write("SHOP_PORT=8001 \nWIKI_PORT='8002'\n")
    add("orders")
    assert value_of(bare_project, "ORDERS_PORT") == "8003"


def test_the_port_follows_those_of_the_other_resource_servers(add, bare_project):
    add("orders", "inventory")
    with (bare_project / ".env").open("a", encoding="utf-8") as env:
        env.write("ORDERS_PORT=9001\nINVENTORY_PORT=9002\n")
    add("billing")
    assert value_of(bare_project, "BILLING_URL") == "http://localhost:9003"


def test_the_port_is_the_next_one_after_the_authorization_server(add, bare_project):
    with (bare_project / ".env").open("a", encoding="utf-8") as env:
        env.write("AUTHORIZATION_SERVER_PORT=9000\n")
    add("orders")
    assert value_of(bare_project, "ORDERS_PORT") == "9001"


def test_the_example_holds_no_secret(add, bare_project):
    add("orders")
    assert value_of(bare_project, "ORDERS_SECRET_KEY") == "change-me"
    assert value_of(bare_project, "ORDERS_INTROSPECTION_CLIENT_SECRET") == "change-me"


def test_secrets_are_appended_to_env(add, bare_project, run_script):
    run_script(bare_project, "init_env")
    before = (bare_project / ".env").read_bytes()
    run = add("orders")
    secret = value_of(bare_project, "ORDERS_INTROSPECTION_CLIENT_SECRET", ".env")
    assert (bare_project / ".env").read_bytes().startswith(before)
    assert len(secret) == 73
    assert secret not in run.stdout


def test_a_missing_env_is_not_created(add, bare_project):
    add("orders")
    assert not (bare_project / ".env").exists()
    assert not (bare_project / ".secrets").exists()


def test_the_secret_files_of_its_containers_are_created(add, bare_project, run_script):
    run_script(bare_project, "init_env")
    add("orders")
    names = sorted(path.name for path in bare_project.glob(".secrets/ORDERS_*"))
    assert names == [
        *("ORDERS_CACHE_URL", "ORDERS_DATABASE_URL"),
        *("ORDERS_INTROSPECTION_CLIENT_SECRET", "ORDERS_ISSUERS.env", "ORDERS_SECRET_KEY"),
    ]


def test_the_variable_env_file_names_the_file_to_complete(add, bare_project, tmp_path):
    (tmp_path / "other").touch()
    add("orders", ENV_FILE=str(tmp_path / "other"))
    assert value_of(bare_project, "ORDERS_PORT", tmp_path / "other") == "8001"


def test_each_change_is_printed_on_one_line(add):
    assert add("orders", "inventory").stdout.splitlines() == [
        "resource_servers/orders: created",
        "resource_servers/inventory: created",
        "Procfile: added orders, inventory",
        "compose.yml: added orders, inventory",
        "compose.override.yml: added orders, inventory",
        ".env.example: added orders, inventory",
    ]


def test_adding_one_later_gives_the_same_bytes_as_at_generation(add, bare_project, bake, tmp_path):
    add("orders")
    add("inventory")
    generated = contents_of(bake(output_dir=tmp_path / "generated"))
    assert contents_of(bare_project) == without_secrets(generated)


def test_generating_over_a_project_changes_nothing(bake, tmp_path):
    project = bake(output_dir=tmp_path)
    before = contents_of(project)
    bake(output_dir=tmp_path, overwrite_if_exists=True)
    assert contents_of(project) == before


# --- Again, and after an interruption ------------------------------------------------------------


def test_adding_a_resource_server_twice_changes_nothing(add, bare_project, run_script):
    run_script(bare_project, "init_env")
    add("orders")
    before = contents_of(bare_project)
    assert add("orders").stdout == "orders: nothing to do\n"
    assert contents_of(bare_project) == before


@pytest.mark.parametrize(
    "unwritten",
    [[".env.example"], ["compose.yml", ".env.example"], WIRED_FILES],
    ids=["before the example", "before compose.yml", "before Procfile"],
)
def test_a_second_run_completes_an_interrupted_run(add, bare_project, unwritten):
    originals = {name: (bare_project / name).read_bytes() for name in unwritten}
    add("orders", "inventory")
    complete = contents_of(bare_project)
    for name, content in originals.items():
        (bare_project / name).write_bytes(content)
    assert add("orders", "inventory").returncode == 0
    assert contents_of(bare_project) == complete


def test_a_second_run_completes_a_run_interrupted_between_two_folders(add, bare_project):
    originals = {name: (bare_project / name).read_bytes() for name in WIRED_FILES}
    add("orders", "inventory")
    complete = contents_of(bare_project)
    for name, content in originals.items():
        (bare_project / name).write_bytes(content)
    shutil.rmtree(bare_project / "resource_servers" / "inventory")
    add("orders", "inventory")
    assert contents_of(bare_project) == complete


def test_a_second_run_completes_a_run_interrupted_while_copying(add, bare_project):
    half = bare_project / "resource_servers" / ".unfinished" / "orders"
    half.mkdir(parents=True)
    (half / "resource_server.toml").write_text('name = "orders"', encoding="utf-8")
    add("orders")
    assert manifest_of(bare_project, "orders")["title"] == "Orders"
    assert not half.parent.exists()


def test_a_second_run_completes_a_run_interrupted_before_env(add, bare_project):
    add("orders")
    (bare_project / ".env").write_text("DEBUG=true\n", encoding="utf-8")
    add("orders")
    assert value_of(bare_project, "ORDERS_PORT", ".env") == "8001"


def test_an_error_while_writing_is_one_sentence_and_a_second_run_completes(add, bare_project):
    skeleton = bare_project / "scripts" / "resource_server_skeleton"
    skeleton.rename(bare_project / "elsewhere")
    run = add("orders")
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    (bare_project / "elsewhere").rename(skeleton)
    assert add("orders").returncode == 0
    assert (processes_of(bare_project)[2:], includes_of(bare_project)) == (["orders"], ["orders"])


def test_an_edited_line_is_not_added_again(add, bare_project):
    add("orders")
    procfile = bare_project / "Procfile"
    changed = procfile.read_text("utf-8").replace("$ORDERS_PORT", "$ORDERS_PORT --more")
    procfile.write_text(changed, encoding="utf-8")
    add("orders")
    assert procfile.read_text(encoding="utf-8") == changed


# --- Files that people edit, and undoing ---------------------------------------------------------


@pytest.mark.parametrize("with_env", [True, False], ids=["with .env", "without .env"])
def test_the_documented_steps_undo_it(add, bare_project, run_script, with_env):
    add("orders", "inventory")
    if with_env:
        run_script(bare_project, "init_env")
    before = contents_of(bare_project)
    add("billing")
    undo(bare_project, "billing")
    if with_env:
        run_script(bare_project, "init_env")
    assert contents_of(bare_project) == before


def test_the_first_of_two_resource_servers_can_be_removed_and_added_again(add, bare_project):
    add("orders", "inventory")
    before = contents_of(bare_project)
    undo(bare_project, "orders")
    add("orders")
    # Its port follows that of the other one.
    after = contents_of(bare_project)
    after[".env.example"] = after[".env.example"].replace(b"8003", b"8001")
    changed = [name for name in before if sorted(before[name]) != sorted(after[name])]
    assert changed == []


def test_lines_that_were_edited_by_hand_are_kept(add, hand_edited):
    assert add("billing").returncode == 0
    lines = {name: (hand_edited / name).read_text("utf-8").splitlines() for name in HAND_EDITED}
    assert [
        line
        for name, text in HAND_EDITED.items()
        for line in text.splitlines()
        if line not in lines[name]
    ] == []


def test_the_include_is_appended_with_the_indentation_of_the_list(add, hand_edited):
    add("billing")
    text = (hand_edited / "compose.yml").read_text(encoding="utf-8")
    line = "    - resource_servers/billing/compose.yml"
    assert f"      env_file: other.env\n{line}\n\n# services of ours\n" in text


def test_a_last_line_without_a_line_break_stays_a_separate_line(add, hand_edited):
    add("billing")
    procfile = (hand_edited / "Procfile").read_text(encoding="utf-8")
    assert "\n# the end, without a line break\nbilling: cd " in procfile


@pytest.mark.parametrize("line", ["include:", "include: []", "include: [ ]  # none yet"])
def test_an_empty_list_of_includes_is_filled(add, bare_project, line):
    (bare_project / "compose.yml").write_text(f"{line}\n{ENVIRONMENT}", encoding="utf-8")
    add("a", "b")
    text = (bare_project / "compose.yml").read_text(encoding="utf-8")
    assert re.fullmatch(
        r"include:(  # none yet)?\n"
        r"  - resource_servers/a/compose.yml\n  - resource_servers/b/compose.yml\n"
        + re.escape(f"{ENVIRONMENT}    A_URL:\n    B_URL:\n"),
        text,
    )


def test_the_include_is_appended_to_a_list_without_indentation(add, bare_project):
    text = f"include:\n- other.yml\n{ENVIRONMENT}"
    (bare_project / "compose.yml").write_text(text, encoding="utf-8")
    add("a")
    assert (bare_project / "compose.yml").read_text(encoding="utf-8") == (
        f"include:\n- other.yml\n- resource_servers/a/compose.yml\n{ENVIRONMENT}    A_URL:\n"
    )


def test_an_include_that_exists_in_another_form_is_not_added_again(add, bare_project):
    text = f"include: [resource_servers/billing/compose.yml]\n{ENVIRONMENT}    BILLING_URL:\n"
    (bare_project / "compose.yml").write_text(text, encoding="utf-8")
    assert add("billing").returncode == 0
    assert (bare_project / "compose.yml").read_text(encoding="utf-8") == text


def test_windows_line_endings_are_not_added(add, bare_project):
    add("orders")
    assert [name for name, content in contents_of(bare_project).items() if b"\r" in content] == []


# --- Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Orders", "order_history", "orders-", "a--b", "x" * 33, "django", "import", "", "a.b"]
)
def test_an_invalid_name_is_refused(refused, name):
    assert repr(name) in refused("billing", name)


def test_the_same_name_twice_is_refused(refused):
    assert "'orders' is given 2 times" in refused("orders", "orders")


def test_more_than_20_in_all_are_refused(add, refused):
    add(*(f"server-{number}" for number in range(1, 20)))
    assert "at most 20 resource servers, got 21" in refused("one", "two")


def test_a_folder_without_a_manifest_is_refused(refused, bare_project):
    (bare_project / "resource_servers" / "billing").mkdir()
    assert "resource_servers/billing exists" in refused("billing")


def test_a_folder_with_the_manifest_of_another_is_refused(add, refused, bare_project):
    add("orders")
    (bare_project / "resource_servers" / "orders").rename(bare_project / "resource_servers" / "b")
    assert "resource_servers/b exists" in refused("b")


def test_another_process_of_that_name_is_refused(refused, bare_project):
    with (bare_project / "Procfile").open("a", encoding="utf-8") as procfile:
        procfile.write("billing: cd resource_servers/billing-old && python serve.py\n")
    assert "another process named 'billing'" in refused("billing")


@pytest.mark.parametrize("file", [".env", ".env.example"])
def test_a_variable_that_is_taken_is_refused(refused, bare_project, file):
    with (bare_project / file).open("a", encoding="utf-8") as env:
        env.write("BILLING_URL=https://billing.example.net\n")
    assert f"needs BILLING_URL, which {file} defines" in refused("billing")


def test_a_name_that_shares_a_variable_with_another_is_refused(add, refused):
    add("orders")
    assert "share ORDERS_DATABASE_URL with 'orders'" in refused("orders-database")


def test_two_names_that_share_a_variable_are_refused(refused):
    assert "share A_DATABASE_URL with 'a'" in refused("a", "a-database")


def test_a_name_that_shares_a_container_with_another_is_refused(add, refused):
    add("orders")
    assert "share container orders-migrate with 'orders'" in refused("orders-migrate")


def test_a_name_that_shares_a_variable_with_the_authorization_server_is_refused(refused):
    assert "AUTHORIZATION_SERVER_INTERNAL_URL" in refused("authorization-server-internal")


@pytest.mark.parametrize("text", ["services: {}\n", "include: [other.yml]\n", "# include:\n"])
def test_a_compose_file_without_includes_is_refused_with_the_line_to_add(
    refused, bare_project, text
):
    (bare_project / "compose.yml").write_text(text, encoding="utf-8")
    assert "- resource_servers/billing/compose.yml" in refused("billing")


def test_a_compose_file_without_the_environment_is_refused_with_the_line_to_add(
    refused, bare_project
):
    (bare_project / "compose.yml").write_text("include:\n- other.yml\n", encoding="utf-8")
    assert "of the authorization server:\n      BILLING_URL:" in refused("billing")


@pytest.mark.parametrize("file", [*WIRED_FILES, "project.toml"])
def test_a_missing_file_is_named(refused, bare_project, file):
    (bare_project / file).unlink()
    assert refused("billing").startswith(f"{file} cannot be read")


def test_a_broken_manifest_is_named(add, refused, bare_project):
    add("orders")
    manifest = bare_project / "resource_servers" / "orders" / "resource_server.toml"
    manifest.write_text("name = orders\n", encoding="utf-8")
    assert "resource_servers/orders/resource_server.toml is not valid TOML" in refused("billing")


def test_all_problems_are_in_one_message(refused, bare_project):
    (bare_project / "resource_servers" / "billing").mkdir()
    (bare_project / "compose.yml").write_text("services: {}\n", encoding="utf-8")
    message = refused("billing", "Orders", "django")
    words = (
        "Nothing was changed",
        "'Orders'",
        "'django'",
        "resource_servers/billing exists",
        "include:",
    )
    assert [word for word in words if word not in message] == []


def test_a_python_before_3_11_is_refused_in_one_sentence(add, old_python):
    run = add("orders", **old_python)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_a_script_of_the_hook_imports_the_standard_library_only(project_source, name):
    tree = ast.parse((project_source / "scripts" / f"{name}.py").read_text(encoding="utf-8"))
    assert imported_packages(tree) <= sys.stdlib_module_names | set(STANDARD_LIBRARY_ONLY)


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_a_script_of_the_hook_parses_on_unsupported_versions_of_python(project_source, name):
    source = (project_source / "scripts" / f"{name}.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))
