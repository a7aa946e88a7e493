# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""pglast, PostgreSQL's own grammar, where it is installed. Without it nothing is judged, which `_sql` says."""

from __future__ import annotations

try:
    import pglast
    from pglast import ast, enums
    from pglast.visitors import Skip, Visitor
except ImportError as error:
    pglast = ast = enums = Skip = None
    Visitor = object
    IMPORT_ERROR: ImportError | None = error
else:
    IMPORT_ERROR = None

__all__ = ["IMPORT_ERROR", "Skip", "Visitor", "ast", "enums", "pglast"]
