"""Documentation for Load Object (safeload)

# Load an object whose signature verifies

A file is deserialized only if its signature verifies for exactly this name and tag, with a key of the
runtime's keyring.

## Inputs
* **name** (String): The name under which the object was stored.
* **tag** (String): The version, or `latest` for the one that was stored last.

## Outputs
* **obj** (Any): The object.

## Errors
`error_code` and `extra_information` say what was refused and why.
See docs/hetida.md of safeload for the numbers.
"""

from safeload.integrations.hetida import load_obj

# ***** DO NOT EDIT LINES BELOW *****
# These lines may be overwritten if component details or inputs/outputs change.
COMPONENT_INFO = {
    "inputs": {
        "name": {"data_type": "STRING"},
        "tag": {"data_type": "STRING"},
    },
    "outputs": {
        "obj": {"data_type": "ANY"},
    },
    "name": "Load Object (safeload)",
    "category": "Data Sources",
    "description": "Load an object whose signature verifies",
    "version_tag": "1.0.0",
    "id": "8d5cd8b8-82bc-58af-94df-e5b40d6af031",
    "revision_group_id": "8d5cd8b8-82bc-58af-94df-e5b40d6af031",
    "state": "RELEASED",
    "released_timestamp": "2026-11-25T00:00:00+00:00",
}

from hdutils import parse_default_value  # noqa: E402, F401


def main(*, name, tag):
    # entrypoint function for this component
    # ***** DO NOT EDIT LINES ABOVE *****
    return {"obj": load_obj(name, tag)}


TEST_WIRING_FROM_PY_FILE_IMPORT = {}
