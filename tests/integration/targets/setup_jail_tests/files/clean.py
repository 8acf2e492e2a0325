"""Unmount and delete everything in a folder but what is called base-*."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys


def mounts_below(folder: str) -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as handle:
        points = [line.split()[4] for line in handle]
    plain = [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point) for point in points]
    return [point for point in plain if point.startswith(folder + "/")]


def main() -> None:
    folder = os.path.realpath(sys.argv[1])
    for point in reversed(mounts_below(folder)):
        subprocess.run(["umount", "--", point], check=True)
    left = mounts_below(folder)
    if left:
        sys.exit(f"still mounted: {left}")
    for entry in os.scandir(folder):
        if entry.name.startswith("base-"):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


if __name__ == "__main__":
    main()
