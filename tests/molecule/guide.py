# Copyright (c) 2026, The jaulas.chroot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the files that a guide shows: guide.py GUIDE FOLDER WORDS INSTEAD"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: A file's name at the start of a paragraph, and its text in the block that follows.
FILE = re.compile(
    r"^`([^`\s]+/[^`\s]+)`(?:(?!\n\n).)*:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


#: What the guide says that it stays below.
LINES = 40


def main(guide: str, folder: str, words: str, instead: str) -> None:
    """Write each file, with some words replaced; a guide without files is a mistake."""
    files = FILE.findall(Path(guide).read_text(encoding="utf-8"))
    if not files:
        sys.exit(f"{guide} shows no file")
    if sum(text.count("\n") for _name, text in files) >= LINES:
        sys.exit(f"{guide} shows {LINES} lines or more, which it denies")
    for name, text in files:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(words, instead), encoding="utf-8")


main(*sys.argv[1:])
