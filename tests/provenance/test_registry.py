"""A signed statement beside its image in a registry: pushed, listed, read back and checked."""

from collections.abc import Iterator

import pytest

from reprobuild.oci.referrers import push_referrer, referrers
from reprobuild.oci.registry_sink import RegistrySink
from reprobuild.oci.source import read
from reprobuild.oci.transfer import inventory, transfer
from reprobuild.oci.types import parse_manifest
from reprobuild.progress import Silent
from reprobuild.provenance.envelope import ENVELOPE, open_envelope, public_key
from reprobuild.provenance.referrer import keep_referrer, referrer
from reprobuild.provenance.statement import PROVENANCE
from reprobuild.store import Store
from reprobuild.verify.stored import Stored
from tests.images import add_image
from tests.provenance.test_envelope import KEYS, STATEMENT, envelope, public_pem
from tests.servers import RunningRegistry
from tests.small_registry import small_registry

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["real", "one that lists referrers"])
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "real":
        registry: RunningRegistry = request.getfixturevalue("registry")
        yield registry.host
        return
    with small_registry() as small:
        yield small.host


async def test_a_statement_is_found_by_its_image(host: str, store: Store) -> None:
    image = add_image(store)
    beside = referrer(envelope(), ENVELOPE, image, predicate_type=PROVENANCE)
    sink = RegistrySink(host, "provenance/test", environ={})
    source = Stored(image, store)
    await transfer(await inventory(image, source), source, sink, progress=Silent(), label="test")
    kept = keep_referrer(beside, store)
    await push_referrer(image, kept, Stored(kept, store), sink)
    (found,) = await referrers(image, sink)
    assert (found.digest, found.artifact_type) == (beside.descriptor.digest, ENVELOPE)
    assert found.annotations == {"in-toto.io/predicate-type": PROVENANCE}
    reader = sink.reader(found.digest)
    (layer,) = parse_manifest(await read(reader, found)).layers
    key = public_key(public_pem(KEYS["ed25519"]), where="key")
    assert open_envelope(await read(reader, layer), [key]) == STATEMENT
    await sink.close()
