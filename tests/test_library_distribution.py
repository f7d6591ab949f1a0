"""The library is a distribution that is reproducible, complete and released by a tag."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
import yaml
from stack import ROOT, make

LIBRARY = "{{cookiecutter.project_slug}}/packages/oauth_resource_server"


def build(folder, into, **variables):
    """Build wheel and sdist of the library in `folder`; return the files by name."""
    uv = ["uv", "build", "--quiet", "--out-dir", into, folder]
    subprocess.run(uv, env=os.environ | variables, check=True)
    return {path.name: path.read_bytes() for path in into.glob("django_*")}


@pytest.fixture(scope="module")
def source(template):
    return template / LIBRARY


@pytest.fixture(scope="module")
def metadata(source):
    return tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def distributions(source, tmp_path_factory):
    return build(source, tmp_path_factory.mktemp("first"))


def test_two_builds_have_the_same_bytes(source, distributions, tmp_path):
    copy = shutil.copytree(source, tmp_path / "elsewhere", copy_function=shutil.copy)  # newer files
    for path in copy.rglob("*.py"):
        path.chmod(0o600)
    second = build(copy, tmp_path / "second", SOURCE_DATE_EPOCH="1800000000")
    assert sorted(second) == sorted(distributions)
    assert len(second) == 2
    assert second == distributions


def test_make_library_builds_a_wheel_and_an_sdist(template, distributions):
    printed = make(ROOT, "--dry-run", "library", capture_output=True, encoding="utf-8").stdout
    assert f"--out-dir build/library '{LIBRARY}'" in printed


def test_the_wheel_is_typed_and_has_its_licence(distributions, tmp_path, metadata):
    name = f"django_oauth_resource_server-{metadata['version']}"
    (tmp_path / "wheel").write_bytes(distributions[f"{name}-py3-none-any.whl"])
    names = zipfile.ZipFile(tmp_path / "wheel").namelist()
    assert "oauth_resource_server/py.typed" in names
    assert f"{name}.dist-info/licenses/LICENSE" in names
    assert {path.split("/")[0] for path in names} == {"oauth_resource_server", f"{name}.dist-info"}


def test_the_sdist_has_the_changelog_and_the_reference(distributions, tmp_path, metadata):
    name = f"django_oauth_resource_server-{metadata['version']}"
    (tmp_path / "sdist").write_bytes(distributions[f"{name}.tar.gz"])
    with tarfile.open(tmp_path / "sdist") as sdist:
        names = sdist.getnames()
    expected = {f"{name}/{file}" for file in ("CHANGELOG.md", "REFERENCE.md", "README.md")}
    assert expected <= set(names)


def test_the_licence_is_the_one_of_the_template(source):
    assert (source / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_readme_has_no_relative_links(source):
    readme = (source / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


class TestRelease:
    @pytest.fixture
    def checkout(self, source, tmp_path):
        """Return a copy of the files that `library_tag.py` reads."""
        shutil.copytree(source, tmp_path / LIBRARY)
        (tmp_path / "tests").mkdir()
        for name in ("library_tag.py", "stack.py"):
            shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
        return tmp_path

    @pytest.fixture
    def released(self, checkout, metadata):
        """Return the checkout with a date in the changelog."""
        path = checkout / LIBRARY / "CHANGELOG.md"
        text = path.read_text(encoding="utf-8")
        heading = f"## {metadata['version']} - "
        text = re.sub(rf"^{re.escape(heading)}.*", f"{heading}2027-01-31", text, flags=re.M)
        path.write_text(text, encoding="utf-8")
        return checkout

    @staticmethod
    def error(checkout, tag):
        """Return the error message for a tag, or ''."""
        command = [sys.executable, "-B", checkout / "tests" / "library_tag.py", tag]
        return subprocess.run(command, capture_output=True, encoding="utf-8").stderr

    def test_the_tag_of_the_version_is_accepted(self, released, metadata):
        assert self.error(released, f"library-v{metadata['version']}") == ""

    def test_another_tag_is_refused(self, released):
        assert "got library-v99.0.0" in self.error(released, "library-v99.0.0")

    def test_a_version_without_a_date_in_the_changelog_is_refused(self, released, metadata):
        path = released / LIBRARY / "CHANGELOG.md"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("2027-01-31", "unreleased"), encoding="utf-8")
        assert "with a date" in self.error(released, f"library-v{metadata['version']}")

    def test_the_workflow_publishes_after_the_tests_without_a_stored_token(self):
        path = ROOT / ".github" / "workflows" / "release-library.yml"
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        jobs = workflow["jobs"]
        commands = [step.get("run", "") for step in jobs["build"]["steps"]]
        publish = jobs["publish"]
        assert workflow[True] == {"push": {"tags": ["library-v*"]}}  # YAML 1.1 reads `on` as true
        assert 'python tests/library_tag.py "$GITHUB_REF_NAME"' in commands
        assert commands.index("make test-library") < commands.index("make library")
        assert (publish["needs"], publish["permissions"]) == ("build", {"id-token": "write"})
        assert "secrets" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("python", ["311", "312", "313", "314"])
def test_pycurl_has_wheels_for_every_platform_of_the_readme(source, python):
    """Its README says what is compiled on Alpine, for which there is no wheel."""
    lock = tomllib.loads((source.parents[1] / "uv.lock").read_text(encoding="utf-8"))
    [pycurl] = [one for one in lock["package"] if one["name"] == "pycurl"]
    tags = [one["url"].rpartition("/")[2].partition(f"-cp{python}-")[2] for one in pycurl["wheels"]]
    platforms = {
        re.sub(r"(manylinux|musllinux|macosx)_\d+_\d+", r"\1", tag.partition("-")[2])
        for tag in tags
        if tag
    }
    assert platforms == {
        *("manylinux_x86_64.whl", "manylinux_aarch64.whl", "macosx_x86_64.whl"),
        *("macosx_arm64.whl", "win_amd64.whl", "win_arm64.whl"),
    }
    assert "apk add gcc musl-dev curl-dev" in (source / "README.md").read_text(encoding="utf-8")
