"""A program called ``docker`` that answers as a test tells it, and remembers what it was asked."""

import json
import sys

PROGRAM = """#!{python} -IS
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
words = " ".join(word for word in sys.argv[1:] if word not in ("--ansi", "never"))
with open(folder / "asked", "a", encoding="utf-8") as asked:
    print(words, file=asked)
answers = json.loads((folder / "answers").read_text(encoding="utf-8"))
known = [start for start in answers if words.startswith(start)]
code, output, error = answers[max(known, key=len)] if known else (0, "", "")
sys.stdout.write(output)
sys.stderr.write(error)
sys.exit(code)
"""
VERSIONS = {"compose version": (0, "2.26.1\n", ""), "version": (0, "26.1.5\n", "")}


class FakeDocker:
    """The program in a folder of its own, which is all of the PATH of a test."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.path = str(folder)
        self.answers = dict(VERSIONS)
        program = folder / "docker"
        program.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
        program.chmod(0o755)
        self.answer("compose config", output='{"services": {}}')

    def answer(self, start, *, code=0, output="", error=""):
        """Have commands that begin with `start` answered like this; the longest `start` counts."""
        self.answers[start] = (code, output, error)
        (self.folder / "answers").write_text(json.dumps(self.answers), encoding="utf-8")

    def containers(self, *containers):
        """Have ``docker compose ps`` describe these."""
        common = {"ID": "1", "State": "running", "Health": "healthy", "ExitCode": 0}
        lines = [json.dumps(common | container) for container in containers]
        self.answer("compose ps", output="\n".join(lines))

    @property
    def asked(self):
        """The commands that it got, in order."""
        path = self.folder / "asked"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
