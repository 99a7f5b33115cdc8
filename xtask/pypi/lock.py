"""Pins what the tests get from PyPI: writes requirements.txt of a folder anew from its requirements.in, with the checksums of
the wheels for each Python and system below.

    python3.11 -m venv lock && lock/bin/python xtask/pypi/lock.py xtask/canaille

To be run with the oldest of these Pythons: it needs the most packages.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

GLIBC = ["manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1"]

SYSTEMS = [
    *(
        [f"{version}_{machine}" for version in [*newer, *GLIBC]]
        for machine in ("x86_64", "aarch64")
        for newer in ([], ["manylinux_2_28"], ["manylinux_2_34", "manylinux_2_28"])
    ),
    ["macosx_14_0_arm64"],
]


def resolve(*args):
    """What pip would install: name and version, and the wheel's name and checksum."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
        pip += ["--dry-run", "--ignore-installed", "--report", str(report), *args]
        subprocess.run(pip, check=True)
        for item in json.loads(report.read_text())["install"]:
            metadata, download = item["metadata"], item["download_info"]
            checksum = download["archive_info"]["hashes"]["sha256"]
            yield f"{metadata['name'].lower()}=={metadata['version']}", download["url"], checksum


def main():
    folder = Path(sys.argv[1])
    checksums = {}
    of_one_system = []
    for pinned, url, checksum in resolve("--requirement", str(folder / "requirements.in")):
        checksums[pinned] = {checksum}
        if not url.endswith("-none-any.whl"):
            of_one_system.append(pinned)
    for python in PYTHONS if of_one_system else []:
        for system in SYSTEMS:
            platforms = [word for platform in system for word in ("--platform", platform)]
            target = ["--python-version", python, "--no-deps", "--target", "nowhere"]
            try:
                for pinned, _, checksum in resolve(*target, *platforms, *of_one_system):
                    checksums[pinned].add(checksum)
            except subprocess.CalledProcessError:
                print(f"Python {python} cannot have all of it on {system[0]}", file=sys.stderr)
    lines = ["# Written by xtask/pypi/lock.py from requirements.in."]
    for pinned in sorted(checksums):
        hashes = [f"    --hash=sha256:{checksum}" for checksum in sorted(checksums[pinned])]
        lines.append(" \\\n".join([pinned, *hashes]))
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n")


main()
