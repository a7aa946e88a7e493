# Copyright (c) 2026, amanat.dbops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_target_info
short_description: Try PG_URL as the application would, and tell what server answers
version_added: 0.1.0
description:
  - Takes O(pg_url) apart, logs in with it from the application's own network, and asks the server what it is.
  - With a container the login is made by a short-lived container of the server's own image on the server's network, so
    that host, user and password are all proved, and that PG_URL means the server in that container. Nothing is changed.
author:
  - amanat.dbops contributors (@amanat)
extends_documentation_fragment:
  - amanat.dbops._target
  - amanat.dbops._postgres
  - amanat.dbops._audit
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
"""

EXAMPLES = r"""
- name: Prove that PG_URL works
  amanat.dbops.postgres_target_info:
    stack: production/nickapp
    postgres_container: amanat-postgres
    pg_url: "{{ dbops_pg_url }}"
"""

RETURN = r"""
database:
  description: Name of the database.
  returned: success
  type: str
user:
  description: The application's role.
  returned: success
  type: str
bytes:
  description: Size of the database on disk, in bytes.
  returned: success
  type: int
server_version:
  description: Version of the server.
  returned: success
  type: str
system_identifier:
  description: The cluster's own identity.
  returned: success
  type: str
data_directory:
  description: The cluster's data directory, as the server sees it.
  returned: success
  type: str
image_id:
  description: Identity of the server's image, empty without a container.
  returned: success
  type: str
container_id:
  description: Identity of the server's container, empty without one.
  returned: success
  type: str
network:
  description: The network on which the application reaches the server, empty without a container.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.amanat.dbops.plugins.module_utils._door_run import require_no_door
from ansible_collections.amanat.dbops.plugins.module_utils._errors import OperationError
from ansible_collections.amanat.dbops.plugins.module_utils._identity import IDENTIFIER
from ansible_collections.amanat.dbops.plugins.module_utils._module import (
    AUDIT_OPTIONS,
    POSTGRES_OPTIONS,
    TARGET_OPTIONS,
    main_of,
    place_of,
    server_of,
    stack_of,
    url_of,
)
from ansible_collections.amanat.dbops.plugins.module_utils._pg_login import require_same
from ansible_collections.amanat.dbops.plugins.module_utils._seat import Seat

ABOUT = f"""
SELECT current_database() AS database, pg_database_size(current_database()) AS bytes,
       current_setting('server_version') AS server_version, current_setting('data_directory') AS data_directory,
       ({IDENTIFIER}) AS system_identifier
"""


def body(module: AnsibleModule) -> dict[str, Any]:
    url = url_of(module)
    place = place_of(module)
    facts: dict[str, Any] = {}
    network = ""
    if place.container:
        facts = place.engine.container(place.container)
        network = place.engine.network(place.container)
    server = server_of(module)
    try:
        about = server.rows(ABOUT)[0]
        require_same(Seat.of_application(place), url, server)
    except OperationError as error:
        if error.slug == "postgres-login-failed":
            require_no_door(stack_of(module), server)
        raise
    return {
        "changed": False,
        **about,
        "user": url.user,
        "image_id": facts.get("Image", ""),
        "container_id": facts.get("Id", ""),
        "network": network,
    }


def main() -> None:
    main_of(AnsibleModule(argument_spec={**TARGET_OPTIONS, **POSTGRES_OPTIONS, **AUDIT_OPTIONS}, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
