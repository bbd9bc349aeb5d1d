"""The list of steps in a cache, which comes from elsewhere."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.build.transfer import parse
from ringfence.errors import Corrupt, InvalidInput
from ringfence.oci.digest import is_digest
from ringfence.oci.image_spec import OCI_LAYER

DIGEST = f"sha256:{64 * 'a'}"
LAYER = {"mediaType": OCI_LAYER, "digest": DIGEST, "size": 3, "diffID": DIGEST}
STEP = {"created": "", "about": "", "layer": LAYER, "chainIDs": [DIGEST]}
ANY: st.SearchStrategy[object] = st.none() | st.integers() | st.text(max_size=9) | st.just({}) | st.just([DIGEST])


def config(step: object) -> bytes:
    return json.dumps({"steps": {DIGEST: step}}).encode()


DAMAGED = st.one_of(
    st.dictionaries(st.sampled_from([*STEP]), ANY).map(lambda wrong: config({**STEP, **wrong})),
    st.dictionaries(st.sampled_from([*LAYER]), ANY).map(lambda wrong: config({**STEP, "layer": {**LAYER, **wrong}})),
)


@given(st.binary() | DAMAGED)
@example(config(STEP))
def test_any_bytes_are_steps_or_one_clear_line(data: bytes) -> None:
    # Invariant: steps under digests, whose layers have a known type, digests and a size; or one line with the subject.
    try:
        steps = parse(data, "cache x")
    except (InvalidInput, Corrupt) as error:
        assert str(error).startswith("cache x: ") and "\n" not in str(error)
        return
    for step in steps:
        assert is_digest(step.key)
        layer = step.result.layer
        assert layer is None or (is_digest(layer.descriptor.digest) and layer.descriptor.size >= 0)
