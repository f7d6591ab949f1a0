"""Compare a release tag with the version of the library: ``library_tag.py library-v0.2.0``."""

import sys
import tomllib

from stack import ROOT

PACKAGE = ROOT / "{{cookiecutter.project_slug}}" / "packages" / "oauth_resource_server"


def main(tag):
    """Exit with a message unless `tag` has the version and the changelog has its date."""
    metadata = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    expected = f"library-v{metadata['project']['version']}"
    if tag != expected:
        sys.exit(f"Expected the tag {expected}, got {tag}.")
    heading = f"## {metadata['project']['version']} - "
    changelog = (PACKAGE / "CHANGELOG.md").read_text(encoding="utf-8")
    if heading not in changelog or f"{heading}unreleased" in changelog:
        sys.exit(f"Expected '{heading}' with a date in the CHANGELOG.md of the library.")


if __name__ == "__main__":
    main(sys.argv[1])
