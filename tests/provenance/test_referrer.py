"""What a registry stores beside an image."""

import json

from reprobuild.canonical import digest_of
from reprobuild.oci.types import INDEX, MANIFEST, Descriptor, parse_manifest
from reprobuild.provenance.envelope import ENVELOPE
from reprobuild.provenance.referrer import EMPTY, referrer
from reprobuild.provenance.statement import PROVENANCE
from reprobuild.sbom.document import MEDIA_TYPE
from tests.images import AMD64

SUBJECT = Descriptor(media_type=MANIFEST, digest=digest_of(b"image"), size=5, platform=AMD64, annotations={"a": "b"})


def test_it_is_a_manifest_of_its_own_with_a_subject() -> None:
    found = referrer(b"envelope", ENVELOPE, SUBJECT, predicate_type=PROVENANCE)
    value = json.loads(found.data)
    said = {"in-toto.io/predicate-type": PROVENANCE}
    assert value == {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.dsse.envelope.v1+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2},
        "layers": [{"mediaType": ENVELOPE, "digest": digest_of(b"envelope"), "size": 8, "annotations": said}],
        "subject": {"mediaType": MANIFEST, "digest": digest_of(b"image"), "size": 5},
        "annotations": said,
    }
    assert found.descriptor == Descriptor(media_type=MANIFEST, digest=digest_of(found.data), size=len(found.data))
    assert [(blob.digest, data) for blob, data in found.blobs] == [
        (digest_of(EMPTY), EMPTY),
        (digest_of(b"envelope"), b"envelope"),
    ]
    assert [layer.digest for layer in parse_manifest(found.data).layers] == [digest_of(b"envelope")]


def test_a_bill_of_materials_of_an_index() -> None:
    subject = Descriptor(media_type=INDEX, digest=digest_of(b"index"), size=5)
    first, again = (referrer(b"{}\n", MEDIA_TYPE, subject) for _ in range(2))
    assert first == again
    assert "annotations" not in json.loads(first.data)
    assert json.loads(first.data)["subject"]["mediaType"] == INDEX
    assert referrer(b"{}\n", MEDIA_TYPE, SUBJECT).data != first.data
