# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pictures of reports, for the eye and for the README.

PYTHONPATH=collections:. python -m tests.integration.report.screenshots DIRECTORY [JOURNAL …]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.amanat.dbops.plugins.module_utils._report import render_html

from .browser import Browser

JOURNALS = Path(__file__).parent / "journals"


def main(directory: Path, journals: list[Path]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        for journal in journals:
            page = directory.absolute() / f"{journal.stem}.html"
            page.write_text(render_html(json.loads(journal.read_text(encoding="utf-8"))), encoding="utf-8")
            for look, width, dark in (("desktop", 1280, False), ("phone", 360, False), ("dark", 1280, True)):
                browser.open(page, width, dark=dark)
                browser.screenshot(page.with_name(f"{journal.stem}-{look}.png"))
            browser.pdf(page.with_suffix(".pdf"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]] or sorted(JOURNALS.glob("*.json")))
