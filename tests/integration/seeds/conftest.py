# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers and databases of the tests of backups, which a stage is made from."""

from __future__ import annotations

from tests.integration.backup.conftest import caller, make_database, postgres

__all__ = ["caller", "make_database", "postgres"]
