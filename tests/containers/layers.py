"""Search for byte strings in all parts of an image.

``docker save`` writes a tar archive. Its members are the layers (tar archives, compressed or not)
and the configuration with the history and the environment. Files in a tar archive are not encoded,
so each member is searched as one stream, which includes the file names.
"""

import gzip
import subprocess
import tarfile

CHUNK = 4 * 2**20
GZIP = b"\x1f\x8b"


def found_in_stream(stream, needles):
    """Return the `needles` (bytes) that occur in `stream`, also across two chunks."""
    overlap = max(map(len, needles)) - 1
    found, tail = set(), b""
    while chunk := stream.read(CHUNK):
        window = tail + chunk
        found |= {needle for needle in needles if needle in window}
        tail = window[-overlap:]
    return found


def found_in_archive(file, needles):
    """Return the needles in each member of the tar stream `file`, by the name of the member."""
    found = {}
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            stream = archive.extractfile(member)
            if stream.peek(2)[:2] == GZIP:
                stream = gzip.GzipFile(fileobj=stream)
            found[member.name] = found_in_stream(stream, needles)
    return found


def found_in_image(image, needles):
    """Return the needles in each part of `image`, by the name of the part."""
    command = ["docker", "save", image]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as save:
        found = found_in_archive(save.stdout, needles)
        while save.stdout.read(CHUNK):  # The end of an archive is padded.
            pass
        error = save.stderr.read().decode()
    assert save.returncode == 0, error
    return found
