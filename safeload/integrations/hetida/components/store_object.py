"""Documentation for Store Object (safeload)

# Store an object with a signature

The object is signed with the key of the runtime and stored in the folder that `MODEL_REPO_PATH` names. Only
objects that are signed for their name and tag are ever loaded from there.

## Inputs
* **name** (String): The name, not a path. A `/` separates namespaces, as in `plant-a/pump`.
* **tag** (String): The version. Storing a tag again replaces it. `latest` is always the version stored last.
* **obj** (Any): The object, such as a trained model.

## Errors
`error_code` and `extra_information` say what was refused and why.
See docs/hetida.md of safeload for the numbers.
"""

from safeload.integrations.hetida import dump_obj

# ***** DO NOT EDIT LINES BELOW *****
# These lines may be overwritten if component details or inputs/outputs change.
COMPONENT_INFO = {
    "inputs": {
        "name": {"data_type": "STRING"},
        "tag": {"data_type": "STRING"},
        "obj": {"data_type": "ANY"},
    },
    "outputs": {},
    "name": "Store Object (safeload)",
    "category": "Data Sinks",
    "description": "Store an object with a signature",
    "version_tag": "1.0.0",
    "id": "e485d2b9-064a-5ae7-9c78-5799979d6915",
    "revision_group_id": "e485d2b9-064a-5ae7-9c78-5799979d6915",
    "state": "RELEASED",
    "released_timestamp": "2026-11-25T00:00:00+00:00",
}

from hdutils import parse_default_value  # noqa: E402, F401


def main(*, name, tag, obj):
    # entrypoint function for this component
    # ***** DO NOT EDIT LINES ABOVE *****
    dump_obj(obj, name, tag)
    return {}


TEST_WIRING_FROM_PY_FILE_IMPORT = {}
